# The library and all C and C++ tests once more, instrumented.

foreach(kind address thread)
  add_test(NAME sanitizer.${kind}
    COMMAND "${BASH_PROGRAM}" tests/sanitizers/run.sh ${kind} "${CMAKE_CURRENT_BINARY_DIR}" "${CMAKE_C_COMPILER}"
            "${CMAKE_CXX_COMPILER}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(sanitizer.${kind} PROPERTIES LABELS sanitizer SKIP_RETURN_CODE 77 TIMEOUT 900 RESOURCE_LOCK cargo)
endforeach()
