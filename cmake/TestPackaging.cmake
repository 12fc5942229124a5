# The library as others get it: installed, packaged, on other systems, and its ABI. What takes minutes or needs further
# tools has the label `all`.

set(recording "${CMAKE_CURRENT_SOURCE_DIR}/examples-c/data/usb-mouse.hid")
if(CMAKE_CXX_COMPILER)
  # Programs that know nothing but the prefix, which was moved.
  add_test(NAME consumer
    COMMAND "${BASH_PROGRAM}" tests/consumer/run.sh "${CMAKE_COMMAND}" "${CMAKE_CURRENT_BINARY_DIR}"
            "${CMAKE_C_COMPILER}" "${CMAKE_CXX_COMPILER}" "${recording}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(consumer PROPERTIES TIMEOUT 300)
  # Projects that take the sources in.
  foreach(way add_subdirectory FetchContent)
    add_test(NAME consumer.${way}
      COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${DMF_CARGO_TARGET_DIR}"
              "${BASH_PROGRAM}" tests/consumer/sources.sh "${CMAKE_COMMAND}" ${way} "${CMAKE_CURRENT_SOURCE_DIR}"
              "${CMAKE_C_COMPILER}" "${CMAKE_CXX_COMPILER}" "${recording}"
      WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    set_tests_properties(consumer.${way} PROPERTIES LABELS all RESOURCE_LOCK cargo TIMEOUT 600)
  endforeach()
endif()

# Versions and statuses: the headers, the library, Cargo.toml and the changelog agree.
add_test(NAME versions
  COMMAND "${BASH_PROGRAM}" tests/versions.sh "${CMAKE_CURRENT_BINARY_DIR}" "${CMAKE_C_COMPILER}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")

# The notices agree with what the library depends on.
add_test(NAME notices_are_up_to_date
  COMMAND ${dmf_run_cargo} run --quiet -p xtask -- notices --check
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(notices_are_up_to_date PROPERTIES RESOURCE_LOCK cargo)

if(CMAKE_CXX_COMPILER)
  add_test(NAME package
    COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${DMF_CARGO_TARGET_DIR}"
            "${BASH_PROGRAM}" tests/package.sh "${CMAKE_COMMAND}" "${DMF_ABI}" "${CMAKE_C_COMPILER}" "${CMAKE_CXX_COMPILER}"
            "${recording}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(package PROPERTIES LABELS all SKIP_RETURN_CODE 77 RESOURCE_LOCK cargo TIMEOUT 600)
endif()

# What is installed, where, and that it goes away again; with other folders than the usual too.
add_test(NAME install_layout
  COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${DMF_CARGO_TARGET_DIR}"
          "${BASH_PROGRAM}" tests/install.sh "${CMAKE_COMMAND}" "${CMAKE_CURRENT_BINARY_DIR}" "${PROJECT_VERSION}" "${DMF_ABI}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(install_layout PROPERTIES RESOURCE_LOCK cargo TIMEOUT 300)

# Type-checks only: nothing here runs on these systems.
foreach(target x86_64-pc-windows-gnu aarch64-apple-darwin)
  add_test(NAME portability.${target}
    COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${DMF_CARGO_TARGET_DIR}"
            "${BASH_PROGRAM}" tests/portability.sh "${DMF_CARGO}" ${target}
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(portability.${target} PROPERTIES
    LABELS all SKIP_RETURN_CODE 77 RESOURCE_LOCK cargo TIMEOUT 600)
endforeach()

# The C ABI against the dump of this SONAME.
add_test(NAME abi
  COMMAND "${BASH_PROGRAM}" tests/abi.sh "${CMAKE_CURRENT_BINARY_DIR}" "${CMAKE_C_COMPILER}" "${DMF_ABI}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(abi PROPERTIES LABELS all SKIP_RETURN_CODE 77 TIMEOUT 300)

# cargo-c makes the same library, with the headers that are checked in. Building cargo-c takes minutes, once.
if(CMAKE_CXX_COMPILER)
  add_test(NAME cargo_c
    COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${DMF_CARGO_TARGET_DIR}"
            "${BASH_PROGRAM}" tests/cargo-c.sh "${DMF_CARGO}" "${CMAKE_CURRENT_BINARY_DIR}/cargo-c" "${DMF_SONAME}"
            "${CMAKE_C_COMPILER}" "${CMAKE_CXX_COMPILER}" "${recording}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(cargo_c PROPERTIES LABELS all SKIP_RETURN_CODE 77 RESOURCE_LOCK cargo TIMEOUT 1800)
endif()
