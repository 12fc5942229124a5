# Each file in examples-c/ is a program of its own in the build folder.

file(GLOB dmf_examples CONFIGURE_DEPENDS examples-c/*.c)
foreach(source IN LISTS dmf_examples)
  get_filename_component(name "${source}" NAME_WE)
  dmf_add_program(${name} "${source}")
endforeach()
