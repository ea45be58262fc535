// Carries the precompiled <catch2/catch.hpp> that all test programs share.
