# Everything at once, for a while; `make soak` runs it longer.

dmf_add_program(soak tests/soak/soak.c)
target_include_directories(soak PRIVATE tests/c)

add_test(NAME soak COMMAND soak 110 WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(soak PROPERTIES TIMEOUT 400)
add_test(NAME soak.longer COMMAND soak 300 WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(soak.longer PROPERTIES LABELS all TIMEOUT 700)

# A leak is found: of memory, and of objects.
foreach(leak memory objects)
  add_test(NAME soak.finds_a_leak_of_${leak} COMMAND soak 70 WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(soak.finds_a_leak_of_${leak} PROPERTIES LABELS all TIMEOUT 300 ENVIRONMENT SOAK_LEAK=${leak})
endforeach()
set_tests_properties(soak.finds_a_leak_of_memory PROPERTIES PASS_REGULAR_EXPRESSION "FAILED: the memory grows")
# Either shows it first.
set_tests_properties(soak.finds_a_leak_of_objects PROPERTIES PASS_REGULAR_EXPRESSION "FAILED: the (handles grow|memory grows)")

# As many objects as a handle can name; it takes 9 GiB.
add_test(NAME limits.objects COMMAND test_limits --all-objects)
set_tests_properties(limits.objects PROPERTIES LABELS all SKIP_RETURN_CODE 77 TIMEOUT 600)

# Unplugging and replugging in the virtual machine.
if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/tests/hid-vm/ctest.sh")
  add_test(NAME soak.vm
    COMMAND "${BASH_PROGRAM}" tests/soak/vm.sh "${CMAKE_CURRENT_BINARY_DIR}" 120
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(soak.vm PROPERTIES LABELS all SKIP_RETURN_CODE 77 TIMEOUT 600 RUN_SERIAL ON)
endif()
