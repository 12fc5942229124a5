# The documentation, and the examples as they look.

find_program(PYTHON_PROGRAM python3 REQUIRED)

# stream_hid on a terminal.
add_test(NAME examples_on_a_terminal
  COMMAND "${PYTHON_PROGRAM}" tests/terminal.py "${CMAKE_CURRENT_BINARY_DIR}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(examples_on_a_terminal PROPERTIES TIMEOUT 120)

# The plot in the docs is what the script makes of the rows beside it.
add_test(NAME plot_is_up_to_date
  COMMAND "${BASH_PROGRAM}" -c
    "\"$1\" scripts/plot.py docs/usb-mouse.csv | cmp - docs/usb-mouse.svg" plot "${PYTHON_PROGRAM}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")

# So are the page and the plots of the benchmark what the script makes of its results.
add_test(NAME performance_is_up_to_date
  COMMAND "${PYTHON_PROGRAM}" scripts/performance.py docs/performance.tsv --check
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")

add_test(NAME man_pages
  COMMAND "${BASH_PROGRAM}" tests/man.sh "${CMAKE_CURRENT_BINARY_DIR}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(man_pages PROPERTIES LABELS all SKIP_RETURN_CODE 77)

# The site: Doxygen warns of nothing, and each Module has its page.
add_test(NAME docs_site
  COMMAND "${BASH_PROGRAM}" tests/site.sh "${CMAKE_CURRENT_BINARY_DIR}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(docs_site PROPERTIES LABELS all SKIP_RETURN_CODE 77 TIMEOUT 300)

# The steps from a clone of the repository to programs of one's own, as README.md has them.
add_test(NAME newcomer
  COMMAND "${BASH_PROGRAM}" tests/newcomer.sh
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(newcomer PROPERTIES LABELS all SKIP_RETURN_CODE 77 TIMEOUT 1800)
