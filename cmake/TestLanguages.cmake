# The library from C++: each file in tests/cpp/ and examples-cpp/ is a program, in C++17 and in C++20 (where dmf::span is
# std::span), with the strict warnings that C gets.

if(CMAKE_CXX_COMPILER)
  file(GLOB dmf_cpp_sources CONFIGURE_DEPENDS tests/cpp/*.cpp examples-cpp/*.cpp)
  foreach(source IN LISTS dmf_cpp_sources)
    get_filename_component(base "${source}" NAME_WE)
    foreach(standard 17 20)
      set(name ${base}.cpp${standard})
      add_executable(${name} "${source}")
      target_link_libraries(${name} PRIVATE dmf::dmf Threads::Threads)
      target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -Werror)
      set_target_properties(${name} PROPERTIES
        CXX_STANDARD ${standard}
        CXX_STANDARD_REQUIRED ON
        CXX_EXTENSIONS OFF
        NO_SYSTEM_FROM_IMPORTED ON
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests")
      add_test(NAME cpp.${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
      set_tests_properties(cpp.${name} PROPERTIES TIMEOUT 120)
      if(VALGRIND_PROGRAM AND standard EQUAL 17)
        add_test(NAME valgrind.${name} COMMAND ${DMF_VALGRIND_COMMAND} $<TARGET_FILE:${name}>
          WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
        set_tests_properties(valgrind.${name} PROPERTIES LABELS valgrind TIMEOUT 600)
      endif()
    endforeach()
  endforeach()
endif()
