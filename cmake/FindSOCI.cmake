# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# SOCI (Debian: libsoci-dev) with the backends asked for as components: SOCI::core, SOCI::sqlite3.
find_path(SOCI_INCLUDE_DIR soci/soci.h)
find_library(SOCI_core_LIBRARY soci_core)
set(soci_required SOCI_core_LIBRARY SOCI_INCLUDE_DIR)
if("sqlite3" IN_LIST SOCI_FIND_COMPONENTS)
    find_library(SOCI_sqlite3_LIBRARY soci_sqlite3)
    find_package(SQLite3 QUIET)
    list(APPEND soci_required SOCI_sqlite3_LIBRARY SQLite3_LIBRARIES)
endif()
mark_as_advanced(SOCI_INCLUDE_DIR SOCI_core_LIBRARY SOCI_sqlite3_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SOCI REQUIRED_VARS ${soci_required}
    REASON_FAILURE_MESSAGE "On Debian: apt-get install libsoci-dev libsqlite3-dev")

if(SOCI_FOUND AND NOT TARGET SOCI::core)
    add_library(SOCI::core UNKNOWN IMPORTED)
    set_target_properties(SOCI::core PROPERTIES
        IMPORTED_LOCATION "${SOCI_core_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${SOCI_INCLUDE_DIR}")
endif()
if(SOCI_FOUND AND "sqlite3" IN_LIST SOCI_FIND_COMPONENTS AND NOT TARGET SOCI::sqlite3)
    add_library(SOCI::sqlite3 UNKNOWN IMPORTED)
    set_target_properties(SOCI::sqlite3 PROPERTIES IMPORTED_LOCATION "${SOCI_sqlite3_LIBRARY}")
    set_property(TARGET SOCI::sqlite3 PROPERTY
        INTERFACE_LINK_LIBRARIES SOCI::core SQLite::SQLite3)
endif()
