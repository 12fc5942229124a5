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

# The Python package from the source folder, which needs nothing but Python; and installed with pip.
if(DMF_PYTHON_PROGRAM)
  add_test(NAME python.package
    COMMAND "${DMF_PYTHON_PROGRAM}" -m unittest discover -s bindings/python/tests -t bindings/python
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(python.package PROPERTIES TIMEOUT 120 ENVIRONMENT
    "PYTHONPATH=bindings/python;PYTHONDONTWRITEBYTECODE=1;DMF_LIBRARY=${CMAKE_CURRENT_BINARY_DIR}/libdmf.so.0")
  add_test(NAME python.installed
    COMMAND "${BASH_PROGRAM}" tests/python-package.sh "${CMAKE_COMMAND}" "${CMAKE_CURRENT_BINARY_DIR}"
            "${DMF_PYTHON_PROGRAM}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(python.installed PROPERTIES LABELS all SKIP_RETURN_CODE 77 TIMEOUT 900)
else()
  message(STATUS "python3 is missing: the Python package is not tested")
endif()

# The same program in each language, which knows the install prefix only.
if(DMF_PYTHON_PROGRAM AND CMAKE_CXX_COMPILER)
  add_test(NAME languages
    COMMAND "${BASH_PROGRAM}" tests/languages.sh "${CMAKE_COMMAND}" "${CMAKE_CURRENT_BINARY_DIR}"
            "${CMAKE_C_COMPILER}" "${CMAKE_CXX_COMPILER}" "${DMF_PYTHON_PROGRAM}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(languages PROPERTIES LABELS all SKIP_RETURN_CODE 77 TIMEOUT 600)
endif()
