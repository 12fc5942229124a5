# abi/abi.json, which bindings in other languages are made from: what the headers say, and what compilers see in them.

add_test(NAME abi_facts.are_up_to_date
  COMMAND ${dmf_run_cargo} run --quiet -p xtask -- abi --check
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(abi_facts.are_up_to_date PROPERTIES RESOURCE_LOCK cargo)

set(dmf_abi_compilers "${CMAKE_C_COMPILER}" c gnu11 clang c gnu11 clang++ c++ c++17)
if(CMAKE_CXX_COMPILER)
  list(APPEND dmf_abi_compilers "${CMAKE_CXX_COMPILER}" c++ c++17)
endif()
while(dmf_abi_compilers AND DMF_PYTHON_PROGRAM)
  list(POP_FRONT dmf_abi_compilers compiler language standard)
  get_filename_component(name "${compiler}" NAME)
  if(TEST abi_facts.${name})
    continue()
  endif()
  add_test(NAME abi_facts.${name}
    COMMAND "${DMF_PYTHON_PROGRAM}" tests/abi_facts.py "${compiler}" ${language} ${standard}
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(abi_facts.${name} PROPERTIES SKIP_RETURN_CODE 77)
endwhile()
