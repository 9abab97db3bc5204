# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# Usage: cmake -DSOURCE=… -DBUILD=… -DCXX=… -P mediasoup_worker.cmake
# Configures a build with PARLEY_BUILD_MEDIASOUP_WORKER and nothing else, and builds it, which finds the
# worker of scripts/mediasoup-worker.sh. Skips where there is none.
function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said
                    OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "${ARGV}\n${said}")
    endif()
    set(said "${said}" PARENT_SCOPE)
endfunction()

function(expect_worker)
    string(FIND "${said}" "${worker}" found)
    if(found EQUAL -1)
        message(FATAL_ERROR "expected the worker ${worker}, found:\n${said}")
    endif()
endfunction()

set(ENV{CXX} "${CXX}")
run("${SOURCE}/scripts/mediasoup-worker.sh" --path)
set(worker "${said}")
if(NOT EXISTS "${worker}")
    message("skipped: there is no ${worker}; CXX=${CXX} scripts/mediasoup-worker.sh builds it")
    return()
endif()

unset(ENV{CXX}) # the build has to know it by itself
file(REMOVE_RECURSE "${BUILD}")
set(arguments -G Ninja -S "${SOURCE}" -B "${BUILD}" "-DCMAKE_CXX_COMPILER=${CXX}"
    -DPARLEY_BUILD_MEDIASOUP_WORKER=ON)
foreach(part BUILD_EXAMPLES BUILD_TESTS BUILD_BENCHMARKS WITH_TLS WITH_CRYPTO WITH_SQLITE
        WITH_POSTGRESQL WITH_REDIS)
    list(APPEND arguments "-DPARLEY_${part}=OFF")
endforeach()
run("${CMAKE_COMMAND}" ${arguments})
expect_worker()
run("${CMAKE_COMMAND}" --build "${BUILD}")
expect_worker()
