# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# How this project builds its own programs: warnings are errors, sanitizers on request, headers
# that are heavy to parse are precompiled, and ccache is used where it is installed.

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(PARLEY_CCACHE ccache)
if(PARLEY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # The sloppiness that ccache needs for precompiled headers (its manual, "Precompiled headers").
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        "${PARLEY_CCACHE}")
endif()

add_library(parley_development INTERFACE)
target_link_libraries(parley_development INTERFACE parley)
target_compile_options(parley_development INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 sees overflows in std::string's concatenation that are not there (its bug 105651), and
    # takes the operators of Asio's coroutine frames, once inlined, for ones that do not match.
    target_compile_options(parley_development INTERFACE
        -fpch-preprocess -Wno-restrict -Wno-stringop-overflow -Wno-mismatched-new-delete)
endif()
if(PARLEY_SANITIZE)
    target_compile_options(parley_development INTERFACE
        -fsanitize=${PARLEY_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
    target_link_options(parley_development INTERFACE -fsanitize=${PARLEY_SANITIZE})
    if(PARLEY_SANITIZE MATCHES "undefined")
        # SOCI's library is built without the type information that this check needs.
        target_compile_options(parley_development INTERFACE -fno-sanitize=vptr)
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # Instrumented code gives false alarms, of which the other builds are free: there they are
        # errors. Asio's fences give the last one.
        target_compile_options(parley_development INTERFACE -Wno-error -Wno-maybe-uninitialized)
        if(PARLEY_SANITIZE MATCHES "address")
            # Else GCC moves Hana's strings into sections that the linker drops as duplicates, while
            # the sanitizer's list of variables still names them.
            target_compile_options(parley_development INTERFACE -fno-toplevel-reorder)
        endif()
        if(PARLEY_SANITIZE MATCHES "thread")
            target_compile_options(parley_development INTERFACE -Wno-tsan)
        endif()
    endif()
endif()
