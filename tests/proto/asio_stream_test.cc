#include "proto/asio_stream.h"
