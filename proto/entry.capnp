@0xb6f2f4c8a1d3e507;
struct Entry { counter @0 :UInt64; }
