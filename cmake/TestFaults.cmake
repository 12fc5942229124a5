# What goes wrong around the library: a device's errors. (Failing allocations and threads: src/capi/faults.rs; callbacks
# that block: tests/c/test_blocked_callbacks.c.)

dmf_add_program(test_device_errors tests/faults/device_errors.c)
target_include_directories(test_device_errors PRIVATE tests/c)
set_target_properties(test_device_errors PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests")
foreach(way descriptor slices)
  set(dmf_environment DMF_HID_WAIT=${way} DMF_HID_SLICE_MS=5)
  add_test(NAME faults.device_errors.${way} COMMAND test_device_errors WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(faults.device_errors.${way} PROPERTIES
    TIMEOUT 300 SKIP_RETURN_CODE 77 ENVIRONMENT "${dmf_environment}")
  if(VALGRIND_PROGRAM)
    add_test(NAME valgrind.device_errors.${way} COMMAND ${DMF_VALGRIND_COMMAND} $<TARGET_FILE:test_device_errors>
      WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    set_tests_properties(valgrind.device_errors.${way} PROPERTIES
      LABELS valgrind TIMEOUT 600 SKIP_RETURN_CODE 77 ENVIRONMENT "${dmf_environment};DMF_TEST_SCALE=0.01")
  endif()
endforeach()
