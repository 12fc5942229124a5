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
