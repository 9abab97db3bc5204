// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// The table editor: database tables in a browser.

#include "commands.hpp"

#include <examples/shared/program.hpp>

#include <sqlite3.h>

namespace {

constexpr auto introduction =
    "Edits the tables of SQLite, PostgreSQL and InterSystems IRIS databases in a browser.";

constexpr auto first_steps = R"(To begin:
  table-editor demo              makes a sample database, and serves it
  table-editor init              writes ./table-editor.json, to be edited
  table-editor hash-password     makes the hash of a user's password, for SQLite
  table-editor serve             serves what the configuration says

`table-editor COMMAND --help` explains a command, with examples.

Exit status: 0 done and well; 1 it cannot be done; 2 the command line or the
configuration is wrong.)";

} // namespace

int main(int argc, char** argv) {
    using namespace table_editor;
    // One thread at a time uses a connection, so that it needs no lock for each value it reads.
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    return shared::run_program({"table-editor", TABLE_EDITOR_VERSION, introduction, first_steps},
                               argc, argv, [](CLI::App& program, int& status) {
                                   add_demo_command(program, status);
                                   add_init_command(program, status);
                                   add_serve_command(program, status);
                                   add_hash_password_command(program, status);
                               });
}
