# Every library comes from a system package (tools/packages.txt); nothing is
# downloaded while building.
find_program(CCACHE ccache)
if(CCACHE AND NOT SYNCLINE_CLANG_TIDY)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(absl REQUIRED)
find_package(CapnProto REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(RocksDB REQUIRED IMPORTED_TARGET rocksdb)
pkg_check_modules(Zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(Isal REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(Git2 REQUIRED IMPORTED_TARGET libgit2)
