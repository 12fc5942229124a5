# `make bench`: the library beside its peers, in one program; see benches/. Built only where the peers' packages are.

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(BENCH_PEERS QUIET IMPORTED_TARGET ck glib-2.0 jack libevent)
  pkg_check_modules(BENCH_RTE QUIET libdpdk)
endif()
find_path(BENCH_BOOST boost/lockfree/queue.hpp)
find_path(BENCH_MOODYCAMEL concurrentqueue/concurrentqueue.h)

if(BENCH_PEERS_FOUND AND BENCH_BOOST AND BENCH_MOODYCAMEL AND CMAKE_CXX_COMPILER)
  add_executable(dmf_bench EXCLUDE_FROM_ALL
    benches/main.cpp benches/rings.cpp benches/buffers.cpp benches/requests.cpp benches/peers_c.c benches/peers_rte.c)
  target_compile_features(dmf_bench PRIVATE cxx_std_20 c_std_11)
  target_compile_options(dmf_bench PRIVATE -O2)
  find_package(Threads REQUIRED)
  target_link_libraries(dmf_bench PRIVATE dmf::shared PkgConfig::BENCH_PEERS Threads::Threads)
  set_target_properties(dmf_bench PROPERTIES BUILD_RPATH "${CMAKE_CURRENT_BINARY_DIR}")
  if(BENCH_RTE_FOUND)
    target_compile_definitions(dmf_bench PRIVATE BENCH_WITH_RTE)
    set_source_files_properties(benches/peers_rte.c PROPERTIES COMPILE_OPTIONS "${BENCH_RTE_CFLAGS}")
    target_link_libraries(dmf_bench PRIVATE rte_ring rte_eal)
  endif()
  # That it runs and its results are right, not how fast it is.
  add_test(NAME bench.build COMMAND "${CMAKE_COMMAND}" --build "${CMAKE_CURRENT_BINARY_DIR}" --target dmf_bench)
  set_tests_properties(bench.build PROPERTIES LABELS all TIMEOUT 600 FIXTURES_SETUP bench RESOURCE_LOCK cargo)
  add_test(NAME bench.runs COMMAND dmf_bench --quick)
  set_tests_properties(bench.runs PROPERTIES LABELS all TIMEOUT 300 FIXTURES_REQUIRED bench)
endif()
