// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// expect: compiles
// expect LACKS_TICKET: policy_lacks_operation<doorman, .*ticket>
// expect LACKS_TICKET_STATE: policy_lacks_operation<doorman, .*ticket>
// expect LACKS_ENTER: policy_lacks_operation<doorman, .*enter>

#include <parley/policy_set.hpp>

struct doorman {
    using policy_kind = parley::policy_kinds::admission;
    struct slip {
#ifndef LACKS_TICKET_STATE
        parley::admission_state state() const;
#endif
        std::chrono::milliseconds wait_limit() const;
        std::chrono::seconds retry_after() const;
    };
#ifndef LACKS_TICKET
    using ticket = slip;
#endif
#ifndef LACKS_ENTER
    slip enter(parley::admission_request const&);
#endif
};

template struct parley::policy_set<doorman>;
