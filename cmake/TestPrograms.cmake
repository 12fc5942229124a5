# Each file in tests/c/ is a test: a program that returns 0, and runs a second time under valgrind where there is one.

set(DMF_VALGRIND_COMMAND "${VALGRIND_PROGRAM}" --quiet --error-exitcode=9
    --leak-check=full --errors-for-leak-kinds=definite,indirect,possible --show-leak-kinds=definite,indirect,possible
    # Threads take turns there; without it one that spins may keep the turn for minutes.
    --fair-sched=try)

file(GLOB dmf_test_sources CONFIGURE_DEPENDS tests/c/*.c)
foreach(source IN LISTS dmf_test_sources)
  get_filename_component(name "${source}" NAME_WE)
  dmf_add_program(${name} "${source}")
  target_include_directories(${name} PRIVATE tests/c)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests")

  add_test(NAME c.${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  # Generous: threads that take turns are slow on a machine that has much else to do.
  set_tests_properties(c.${name} PROPERTIES TIMEOUT 300)

  if(VALGRIND_PROGRAM)
    add_test(NAME valgrind.${name} COMMAND ${DMF_VALGRIND_COMMAND} $<TARGET_FILE:${name}>
      WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    # valgrind runs one thread at a time, some 30 times slower, so stress tests take fewer rounds.
    set_tests_properties(valgrind.${name} PROPERTIES LABELS valgrind TIMEOUT 600 ENVIRONMENT DMF_TEST_SCALE=0.01)
  endif()
endforeach()
# valgrind finds what is there to be found.
if(VALGRIND_PROGRAM)
  set(dmf_seeded_address "Invalid read")
  set(dmf_seeded_leak "definitely lost")
  foreach(seed address leak)
    dmf_add_program(seeded_${seed} tests/sanitizers/seeded_${seed}.c)
    set_target_properties(seeded_${seed} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests")
    add_test(NAME valgrind.finds_seeded_${seed} COMMAND ${DMF_VALGRIND_COMMAND} $<TARGET_FILE:seeded_${seed}>)
    set_tests_properties(valgrind.finds_seeded_${seed} PROPERTIES LABELS valgrind TIMEOUT 60
      PASS_REGULAR_EXPRESSION "${dmf_seeded_${seed}}")
  endforeach()
endif()
if(NOT VALGRIND_PROGRAM)
  message(STATUS "valgrind not found: the C tests run without it only")
endif()
