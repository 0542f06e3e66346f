#include <framering/framering.h>
#include <iostream>

int main() {
  auto stream = framering::Connection::connect().open({.source = "screen"});
  for (int i = 0; i < 10; ++i) {
    auto frame = stream.next();  // waits for a change; data() is read in place: no copy, read-only
    std::cout << frame->sequence() << ' ' << frame->width() << 'x' << frame->height() << std::endl;
  }
}
