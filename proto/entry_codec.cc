#include "proto/entry_codec.h"
