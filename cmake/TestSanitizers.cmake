# The library and all C tests once more, instrumented; in `make test-all` the C++ tests, too.

foreach(kind address thread)
  add_test(NAME sanitizer.${kind}
    COMMAND "${BASH_PROGRAM}" tests/sanitizers/run.sh ${kind} "${CMAKE_CURRENT_BINARY_DIR}" "${CMAKE_C_COMPILER}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(sanitizer.${kind} PROPERTIES LABELS sanitizer SKIP_RETURN_CODE 77 TIMEOUT 900 RESOURCE_LOCK cargo)
  if(CMAKE_CXX_COMPILER)
    add_test(NAME sanitizer.cpp.${kind}
      COMMAND "${BASH_PROGRAM}" tests/sanitizers/run.sh ${kind} "${CMAKE_CURRENT_BINARY_DIR}" "${CMAKE_C_COMPILER}"
              "${CMAKE_CXX_COMPILER}"
      WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    set_tests_properties(sanitizer.cpp.${kind} PROPERTIES LABELS all SKIP_RETURN_CODE 77 TIMEOUT 900 RESOURCE_LOCK cargo)
  endif()
endforeach()
