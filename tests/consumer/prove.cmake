# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# Usage: cmake -DFROM=package|subdirectory -DSOURCE=… -DBUILD=… -DPARLEY_BUILD=… -DCXX=… -P prove.cmake
# Configures, builds and runs the consumer where OpenSSL, Crypto++, SOCI, SQLite, libpq and hiredis are
# not to be found, and looks at what the program is linked with.
function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "${ARGV}\n${said}")
    endif()
    set(said "${said}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${BUILD}")
set(arguments -G Ninja -S "${SOURCE}" -B "${BUILD}/build" "-DPARLEY_FROM=${FROM}"
    "-DCMAKE_CXX_COMPILER=${CXX}" -DCMAKE_BUILD_TYPE=Debug)
foreach(absent OpenSSL CryptoPP SOCI SQLite3 PostgreSQL Hiredis benchmark CLI11 spdlog)
    list(APPEND arguments "-DCMAKE_DISABLE_FIND_PACKAGE_${absent}=ON")
endforeach()
if(FROM STREQUAL "package")
    run("${CMAKE_COMMAND}" --install "${PARLEY_BUILD}" --prefix "${BUILD}/prefix")
    list(APPEND arguments "-DCMAKE_PREFIX_PATH=${BUILD}/prefix")
endif()
run("${CMAKE_COMMAND}" ${arguments})
run("${CMAKE_COMMAND}" --build "${BUILD}/build")
run("${BUILD}/build/consumer")
run(ldd "${BUILD}/build/consumer")
if(said MATCHES "ssl|crypto|soci|sqlite|libpq|hiredis")
    message(FATAL_ERROR "the consumer is linked with a library it does not use:\n${said}")
endif()
