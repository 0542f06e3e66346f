// Part of the public API. What the shared library shows.
#pragma once

#define FRAMERING_API __attribute__((visibility("default")))
