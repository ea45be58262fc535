# Compiler settings shared by everything we build.
add_library(syncline_options INTERFACE)
target_include_directories(syncline_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
set(warnings -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  # In a unit, GCC takes a class of a source file for one of a header, and warns
  # that its fields come from that file. Builds without units see real headers.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage>
  $<$<BOOL:${SYNCLINE_WERROR}>:-Werror>)
target_compile_options(syncline_options INTERFACE
  $<BUILD_INTERFACE:${warnings}>)
target_compile_features(syncline_options INTERFACE cxx_std_20)
target_compile_definitions(syncline_options INTERFACE
  BOOST_ASIO_NO_DEPRECATED)
if(SYNCLINE_SANITIZE)
  target_compile_options(syncline_options INTERFACE
    -fsanitize=${SYNCLINE_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(syncline_options INTERFACE
    -fsanitize=${SYNCLINE_SANITIZE})
endif()
if(SYNCLINE_CLANG_TIDY)
  find_program(CLANG_TIDY NAMES clang-tidy clang-tidy-14 REQUIRED)
endif()

# syncline_library(NAME SOURCES ... DEPS ...): one library of the tower.
function(syncline_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC syncline_options ${ARG_DEPS})
  if(SYNCLINE_CLANG_TIDY)
    set_target_properties(${name} PROPERTIES CXX_CLANG_TIDY ${CLANG_TIDY})
  endif()
endfunction()
