# The fuzz targets: each a short while in `make test`, longer with the label `all`.

add_test(NAME fuzz.build
  COMMAND "${BASH_PROGRAM}" fuzz/run.sh "${CMAKE_CURRENT_BINARY_DIR}" build
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(fuzz.build PROPERTIES FIXTURES_SETUP fuzz SKIP_RETURN_CODE 77 TIMEOUT 900 RESOURCE_LOCK cargo)

add_test(NAME fuzz.surface
  COMMAND "${BASH_PROGRAM}" fuzz/run.sh "${CMAKE_CURRENT_BINARY_DIR}" surface
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(fuzz.surface PROPERTIES FIXTURES_REQUIRED fuzz SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS fuzz)

file(GLOB dmf_fuzz_targets CONFIGURE_DEPENDS fuzz/fuzz_targets/*.rs)
foreach(source IN LISTS dmf_fuzz_targets)
  get_filename_component(target "${source}" NAME_WE)
  foreach(seconds 20 180)
    set(name fuzz.${target})
    if(seconds GREATER 20)
      set(name fuzz.long.${target})
    endif()
    add_test(NAME ${name}
      COMMAND "${BASH_PROGRAM}" fuzz/run.sh "${CMAKE_CURRENT_BINARY_DIR}" ${seconds} ${target}
      WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED fuzz SKIP_RETURN_CODE 77 TIMEOUT 600 LABELS fuzz)
    if(seconds GREATER 20)
      # Both runs of a target write the same files.
      set_tests_properties(${name} PROPERTIES LABELS all)
    endif()
    # The same inputs each time, as far as threads let them be; make fuzz takes others.
    set_tests_properties(${name} PROPERTIES RESOURCE_LOCK fuzz.${target} ENVIRONMENT FUZZ_SEED=1)
  endforeach()
endforeach()
