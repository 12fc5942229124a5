# The tests beyond `cargo test`. Labels: `valgrind` (the C tests once more, under valgrind), `vm` (real HID devices in a
# virtual machine), `sanitizer`, `fuzz`, `all` (only in `make test-all`); everything else has none.

include(CheckLanguage)
find_program(BASH_PROGRAM bash REQUIRED)
find_program(VALGRIND_PROGRAM valgrind)
find_program(DMF_PYTHON_PROGRAM python3)
if(NOT DMF_PYTHON_PROGRAM)
  unset(DMF_PYTHON_PROGRAM CACHE)
endif()
check_language(CXX)
if(CMAKE_CXX_COMPILER)
  enable_language(CXX)
endif()

include(cmake/TestPrograms.cmake)
include(cmake/TestHeaders.cmake)
include(cmake/TestAbiFacts.cmake)
include(cmake/TestSanitizers.cmake)
include(cmake/TestProcess.cmake)
include(cmake/TestFaults.cmake)
include(cmake/TestFuzz.cmake)
include(cmake/TestSecurity.cmake)
include(cmake/TestSoak.cmake)
include(cmake/TestDocs.cmake)
include(cmake/TestPackaging.cmake)
include(cmake/TestLanguages.cmake)
include(cmake/Bench.cmake)

# The examples as a user runs them, on the recording that is shipped.
add_test(NAME examples
  COMMAND "${BASH_PROGRAM}" tests/examples.sh "${CMAKE_CURRENT_BINARY_DIR}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(examples PROPERTIES TIMEOUT 120)

# The programs of README.md, as they stand there.
add_test(NAME readme
  COMMAND "${BASH_PROGRAM}" tests/readme.sh "${CMAKE_CURRENT_BINARY_DIR}" "${CMAKE_C_COMPILER}" "${CMAKE_CXX_COMPILER}" "${DMF_PYTHON_PROGRAM}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(readme PROPERTIES TIMEOUT 300)

# The examples that need neither device nor recording, each by itself.
foreach(name buffer_pipeline packet_assembler event_pipe)
  add_test(NAME example.${name} COMMAND ${name})
  set_tests_properties(example.${name} PROPERTIES TIMEOUT 120)
  if(VALGRIND_PROGRAM)
    add_test(NAME valgrind.example.${name} COMMAND ${DMF_VALGRIND_COMMAND} $<TARGET_FILE:${name}>)
    set_tests_properties(valgrind.example.${name} PROPERTIES LABELS valgrind TIMEOUT 600)
  endif()
endforeach()

# What is checked in agrees with the sources and with the library.
add_test(NAME headers_are_up_to_date
  COMMAND ${dmf_run_cargo} run --quiet -p xtask -- headers --check
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
add_test(NAME symbols_are_as_listed
  COMMAND ${dmf_run_cargo} run --quiet -p xtask -- symbols --check "${DMF_SHARED_LIBRARY}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
add_test(NAME hand_written_headers_agree
  COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${DMF_CARGO_TARGET_DIR}"
          "${BASH_PROGRAM}" tests/headers/twins.sh "${CMAKE_C_COMPILER}" "${DMF_CARGO}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(headers_are_up_to_date symbols_are_as_listed hand_written_headers_agree PROPERTIES RESOURCE_LOCK cargo)
add_test(NAME soname
  COMMAND "${BASH_PROGRAM}" tests/soname.sh "${CMAKE_READELF}" "${DMF_SHARED_LIBRARY}" "${DMF_SONAME}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")

if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/tests/hid-vm/ctest.sh")
  include(cmake/TestHidVm.cmake)
endif()
