# The library as an attacker sees it, and what it is built of.

add_test(NAME security.hardening
  COMMAND "${BASH_PROGRAM}" tests/security/hardening.sh "${CMAKE_READELF}" "${DMF_SHARED_LIBRARY}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")

if(DMF_PYTHON_PROGRAM)
  add_test(NAME security.dependencies
    COMMAND "${DMF_PYTHON_PROGRAM}" tests/security/dependencies.py "${DMF_CARGO}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(security.dependencies PROPERTIES RESOURCE_LOCK cargo)
endif()

add_test(NAME security.files
  COMMAND "${BASH_PROGRAM}" tests/security/files.sh "${CMAKE_CURRENT_BINARY_DIR}" "${CMAKE_C_COMPILER}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(security.files PROPERTIES LABELS all SKIP_RETURN_CODE 77 TIMEOUT 120)
