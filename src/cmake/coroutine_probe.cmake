# g++ 12 destroys an aggregate temporary twice when it is part of an expression that contains co_await, without a
# diagnostic. The probe runs that shape; a compiler that fails it is refused here instead of crashing in production.
function(gpuwarden_probe_coroutines)
  if(GPUWARDEN_COROUTINES_OK)
    return()
  endif()
  try_run(run_result compile_result "${CMAKE_BINARY_DIR}/coroutine_probe"
          "${CMAKE_SOURCE_DIR}/src/cmake/coroutine_probe.cpp"
          CMAKE_FLAGS -DCMAKE_CXX_STANDARD=20 -DCMAKE_CXX_STANDARD_REQUIRED=ON
          CXX_STANDARD 20
          COMPILE_OUTPUT_VARIABLE compile_output)
  if(NOT compile_result)
    message(FATAL_ERROR "${CMAKE_CXX_COMPILER} cannot compile C++20 coroutines. Use clang 16: cmake --preset release\n${compile_output}")
  endif()
  if(NOT run_result STREQUAL "0")
    message(FATAL_ERROR "${CMAKE_CXX_COMPILER} ${CMAKE_CXX_COMPILER_VERSION} miscompiles coroutines (an aggregate temporary "
                        "beside co_await is destroyed twice). Use clang 16: apt-get install clang-16, then cmake --preset release")
  endif()
  set(GPUWARDEN_COROUTINES_OK ON CACHE INTERNAL "The compiler passed the coroutine probe")
endfunction()
