# Real HID devices in a virtual machine.

dmf_add_program(hid_stream_test tests/hid-vm/hid_stream_test.c)
target_sources(hid_stream_test PRIVATE
  tests/hid-vm/hid_test.c
  tests/hid-vm/hid_unplug_test.c
  tests/hid-vm/hid_open_test.c
  tests/hid-vm/hid_control_test.c
  tests/hid-vm/hid_loss_test.c
  tests/hid-vm/hid_many_test.c
  tests/hid-vm/hid_soak_test.c)
if(CMAKE_CXX_COMPILER)
  add_executable(hid_cpp_test tests/hid-vm/hid_cpp_test.cpp)
  target_link_libraries(hid_cpp_test PRIVATE dmf::dmf Threads::Threads)
  target_compile_features(hid_cpp_test PRIVATE cxx_std_17)
  target_compile_options(hid_cpp_test PRIVATE -Wall -Wextra -Wpedantic -Werror)
endif()
add_test(NAME hid_vm
  COMMAND "${BASH_PROGRAM}" tests/hid-vm/ctest.sh "${CMAKE_CURRENT_BINARY_DIR}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(hid_vm PROPERTIES LABELS vm SKIP_RETURN_CODE 77 TIMEOUT 900 RUN_SERIAL ON)
