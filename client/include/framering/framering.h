// The whole C++ client API of Framering.
#pragma once

#include "framering/connection.h"
#include "framering/desktop.h"
#include "framering/error.h"
#include "framering/frame.h"
#include "framering/stream.h"
#include "framering/tensor.h"
#include "framering/types.h"
#include "framering/version.h"
