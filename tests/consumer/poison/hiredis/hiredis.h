// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#error "the core must not need this library"
