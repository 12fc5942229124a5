# What happens around the library in a process; tests/c/test_process.c has the rest.

# Lazy binding would take stack below a Method's first call, which is the linker's and not the library's.
dmf_add_program(test_stack tests/process/stack.c)
target_include_directories(test_stack PRIVATE tests/c)
target_link_options(test_stack PRIVATE -Wl,-z,now)
set_target_properties(test_stack PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests")
add_test(NAME process.stack COMMAND test_stack --all WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(process.stack PROPERTIES TIMEOUT 300)

# Not linked with the library.
add_executable(test_dlopen tests/process/dlopen.c)
add_dependencies(test_dlopen dmf_cargo)
target_include_directories(test_dlopen PRIVATE include)
target_compile_options(test_dlopen PRIVATE ${DMF_C_WARNINGS})
target_link_libraries(test_dlopen PRIVATE ${CMAKE_DL_LIBS})
set_target_properties(test_dlopen PROPERTIES C_STANDARD 11 RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests")
add_test(NAME process.dlopen COMMAND test_dlopen "${DMF_SHARED_LIBRARY}" WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(process.dlopen PROPERTIES TIMEOUT 120)
