// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Ending a relationship: done by the running broker, or, where none runs, by the command itself.

#include "control.hpp"
#include "database.hpp"

#include <parley/error.hpp>
#include <parley/task.hpp>

namespace consent_broker {

/// \throws command_error with status `usage`, when what is wanted is not fit to be recorded.
void require_acceptable(control::terminate const& wanted);

/// Ends it in the database and the audit log that this process has open. The error is that of the
/// storage: nothing was changed.
parley::task<parley::result<control::terminated>> terminate(database& storage, audit_log& audit,
                                                            control::terminate wanted);

/// Ends it from a command: asks the running broker, or, when none runs, opens the database and the
/// audit log. Blocks. \throws command_error when neither can be done.
control::terminated terminate_from_outside(parley::consent::configuration const& config,
                                           control::terminate const& wanted);

} // namespace consent_broker
