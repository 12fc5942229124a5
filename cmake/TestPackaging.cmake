# The library as others get it: installed, packaged, on other systems, and its ABI. What takes minutes or needs further
# tools has the label `all`.

# Type-checks only: nothing here runs on these systems.
foreach(target x86_64-pc-windows-gnu aarch64-apple-darwin)
  add_test(NAME portability.${target}
    COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${DMF_CARGO_TARGET_DIR}"
            "${BASH_PROGRAM}" tests/portability.sh "${DMF_CARGO}" ${target}
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(portability.${target} PROPERTIES
    LABELS all SKIP_RETURN_CODE 77 RESOURCE_LOCK cargo TIMEOUT 600)
endforeach()
