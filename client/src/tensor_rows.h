// The CPU path, row by row in blocks that stay in the L1 cache. Everything is inlined into one function for
// each instruction set, whose `target` the compiler then vectorizes for; Store rounds and writes runs of
// values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "client/src/tensor_kernel.h"

#define FRAMERING_ROW inline __attribute__((always_inline))
#define FRAMERING_ROW_LAMBDA __attribute__((always_inline))

namespace framering::internal {

// What a conversion needs besides its arguments.
struct TensorScratch {
  static constexpr uint32_t kBlock = 256;     // output pixels at a time, at most
  static constexpr uint32_t kColumns = 1024;  // source pixels that a block reads of a row, about

  // The columns under an output pixel; those between the first and the last are covered whole.
  struct Cover {
    uint32_t begin, last, begin_weight, last_weight;
  };

  explicit TensorScratch(const TensorArguments& arguments) {
    const TensorAxis& x = arguments.x;
    block =
        static_cast<uint32_t>(std::clamp(uint64_t{kColumns} * x.out / x.in, uint64_t{1}, uint64_t{kBlock}));
    const size_t span = uint64_t{block} * x.in / x.out + 3;
    if (arguments.pixel_bytes == 2) {
      for (auto& row : rows) row.resize(span);
    }
    if (arguments.resize == Resize::nearest && x.in != x.out) {
      columns.resize(x.out);
      for (uint32_t i = 0; i < x.out; ++i) columns[i] = tensor_nearest(x, i);
    } else if (arguments.resize == Resize::bilinear) {
      blends.resize(x.out);
      for (uint32_t i = 0; i < x.out; ++i) blends[i] = tensor_blend(x, i);
      for (auto& channel : blended) channel.resize(span);
    } else if (arguments.resize == Resize::area) {
      covers.resize(x.out);
      for (uint32_t i = 0; i < x.out; ++i) {
        const TensorCover cover = tensor_cover(x, i);
        const uint32_t last = cover.end - 1;
        covers[i] = {cover.begin, last, cover.weight(cover.begin),
                     last > cover.begin ? cover.weight(last) : 0};
      }
      for (auto& channel : sums) channel.resize(span);
    }
  }

  uint32_t block;
  std::vector<uint32_t> columns;    // nearest: the source pixel of each output pixel of a row
  std::vector<TensorBlend> blends;  // bilinear: likewise
  std::vector<float> blended[3];    // bilinear: a block's source columns, blended downwards
  std::vector<Cover> covers;        // area: of each output pixel of a row
  std::vector<uint32_t> sums[3];    // area: a block's source columns, summed
  std::vector<uint32_t> rows[2];    // 2-byte pixels of two source rows, widened
  alignas(64) uint32_t picked[kBlock];
  alignas(64) float planes[3][kBlock];
  alignas(64) float interleaved[3 * kBlock];
};

struct TensorBlock {
  uint32_t frame, x, y, count;
};

// Pixels of a source row from column `begin` on; 2-byte pixels are widened into `buffer`.
FRAMERING_ROW const uint32_t* row_pixels(const TensorArguments& arguments, uint32_t frame, uint32_t y,
                                         uint32_t begin, uint32_t count, uint32_t* buffer) {
  const uint8_t* row = arguments.frames[frame] + static_cast<size_t>(y) * arguments.stride;
  if (arguments.pixel_bytes == 4) return reinterpret_cast<const uint32_t*>(row) + begin;
  const uint16_t* narrow = reinterpret_cast<const uint16_t*>(row) + begin;
  for (uint32_t i = 0; i < count; ++i) buffer[i] = narrow[i];
  return buffer;
}

// Values below 2^31 convert faster as signed ones.
FRAMERING_ROW float small_to_float(uint32_t value) {
  return static_cast<float>(static_cast<int32_t>(value));
}

// Writes a block; channel(c, i) is the resized channel c of its pixel i. float32 is written without a stop.
template <class Store, class Channel>
FRAMERING_ROW void finish_block(const TensorArguments& arguments, const TensorBlock& block,
                                TensorScratch& scratch, Channel&& channel) {
  const bool rounds = arguments.dtype != DataType::float32;
  const auto index = [&](uint32_t c) { return tensor_index(arguments, block.frame, block.x, block.y, c); };
  const auto result = [&](uint32_t c) { return reinterpret_cast<float*>(arguments.out) + index(c); };
  const float *scale = arguments.scale, *offset = arguments.offset;
  if (arguments.channel_count == 1) {
    const float red = scale[0], green = scale[1], blue = scale[2], rest = offset[0];
    float* plane = rounds ? scratch.planes[0] : result(0);
    for (uint32_t i = 0; i < block.count; ++i)
      plane[i] = channel(0, i) * red + (channel(1, i) * green + (channel(2, i) * blue + rest));
    if (rounds) Store::run(arguments, index(0), plane, block.count);
    return;
  }
  const bool planar = arguments.layout == Layout::chw;
  for (uint32_t c = 0; c < 3; ++c) {
    const float times = scale[c], plus = offset[c];
    float* plane = rounds || !planar ? scratch.planes[c] : result(c);
    for (uint32_t i = 0; i < block.count; ++i) plane[i] = channel(c, i) * times + plus;
    if (rounds && planar) Store::run(arguments, index(c), plane, block.count);
  }
  if (planar) return;
  float* pixels = rounds ? scratch.interleaved : result(0);
  for (uint32_t i = 0; i < block.count; ++i) {
    for (uint32_t c = 0; c < 3; ++c) pixels[3 * i + c] = scratch.planes[c][i];
  }
  if (rounds) Store::run(arguments, index(0), pixels, 3 * block.count);
}

template <class Store>
FRAMERING_ROW void take_nearest(const TensorArguments& arguments, const TensorBlock& block,
                                TensorScratch& scratch) {
  const bool picks = arguments.x.in != arguments.x.out;
  const uint32_t* columns = scratch.columns.data() + block.x;
  const uint32_t begin = picks ? columns[0] : block.x;
  const uint32_t count = picks ? columns[block.count - 1] + 1 - begin : block.count;
  const uint32_t* pixels = row_pixels(arguments, block.frame, tensor_nearest(arguments.y, block.y), begin,
                                      count, scratch.rows[0].data());
  if (picks) {
    for (uint32_t i = 0; i < block.count; ++i) scratch.picked[i] = pixels[columns[i] - begin];
    pixels = scratch.picked;
  }
  finish_block<Store>(arguments, block, scratch, [&](uint32_t c, uint32_t i) FRAMERING_ROW_LAMBDA {
    return small_to_float(tensor_channel(arguments, pixels[i], c));
  });
}

template <class Store>
FRAMERING_ROW void take_bilinear(const TensorArguments& arguments, const TensorBlock& block,
                                 TensorScratch& scratch) {
  const TensorBlend* across = scratch.blends.data() + block.x;
  const uint32_t begin = across[0].first, count = across[block.count - 1].second + 1 - begin;
  const TensorBlend down = tensor_blend(arguments.y, block.y);
  const uint32_t* upper =
      row_pixels(arguments, block.frame, down.first, begin, count, scratch.rows[0].data());
  const uint32_t* lower =
      row_pixels(arguments, block.frame, down.second, begin, count, scratch.rows[1].data());
  for (uint32_t c = 0; c < 3; ++c) {
    float* blended = scratch.blended[c].data();
    for (uint32_t i = 0; i < count; ++i) {
      const float top = small_to_float(tensor_channel(arguments, upper[i], c));
      const float bottom = small_to_float(tensor_channel(arguments, lower[i], c));
      blended[i] = top + down.weight * (bottom - top);
    }
  }
  finish_block<Store>(arguments, block, scratch, [&](uint32_t c, uint32_t i) FRAMERING_ROW_LAMBDA {
    const float* blended = scratch.blended[c].data();
    const float left = blended[across[i].first - begin], right = blended[across[i].second - begin];
    return left + across[i].weight * (right - left);
  });
}

// Sets or adds to `sums` what two rows hold of channel c, by their weights.
template <bool kAdd, bool kWeighted>
FRAMERING_ROW void sum_pair(const TensorArguments& arguments, uint32_t c, const uint32_t* upper,
                            const uint32_t* lower, const uint32_t (&weights)[2], uint32_t columns,
                            uint32_t* sums) {
  const uint32_t shift = arguments.shift[c], mask = arguments.mask[c];
  const uint32_t first = weights[0], second = weights[1];
  for (uint32_t i = 0; i < columns; ++i) {
    const uint32_t top = (upper[i] >> shift) & mask, bottom = (lower[i] >> shift) & mask;
    const uint32_t both = kWeighted ? first * top + second * bottom : top + bottom;
    sums[i] = kAdd ? sums[i] + both : both;
  }
}

FRAMERING_ROW void sum_rows(const TensorArguments& arguments, uint32_t frame, const TensorCover& rows,
                            uint32_t begin, uint32_t columns, TensorScratch& scratch) {
  for (uint32_t y = rows.begin; y < rows.end; y += 2) {
    const bool alone = y + 1 == rows.end;
    const uint32_t weights[2] = {rows.weight(y), alone ? 0 : rows.weight(y + 1)};
    const bool weighted = weights[0] != 1 || weights[1] != 1;
    const uint32_t* upper = row_pixels(arguments, frame, y, begin, columns, scratch.rows[0].data());
    const uint32_t* lower =
        alone ? upper : row_pixels(arguments, frame, y + 1, begin, columns, scratch.rows[1].data());
    for (uint32_t c = 0; c < 3; ++c) {
      uint32_t* sums = scratch.sums[c].data();
      if (y == rows.begin && weighted) {
        sum_pair<false, true>(arguments, c, upper, lower, weights, columns, sums);
      } else if (y == rows.begin) {
        sum_pair<false, false>(arguments, c, upper, lower, weights, columns, sums);
      } else if (weighted) {
        sum_pair<true, true>(arguments, c, upper, lower, weights, columns, sums);
      } else {
        sum_pair<true, false>(arguments, c, upper, lower, weights, columns, sums);
      }
    }
  }
}

// An area of kRatio whole columns.
template <class Store, uint32_t kRatio>
FRAMERING_ROW void finish_whole(const TensorArguments& arguments, const TensorBlock& block,
                                TensorScratch& scratch) {
  finish_block<Store>(arguments, block, scratch, [&](uint32_t c, uint32_t i) FRAMERING_ROW_LAMBDA {
    const uint32_t* sums = scratch.sums[c].data() + static_cast<size_t>(i) * kRatio;
    uint32_t sum = 0;
    for (uint32_t j = 0; j < kRatio; ++j) sum += sums[j];
    return small_to_float(sum);
  });
}

template <class Store>
FRAMERING_ROW void take_area(const TensorArguments& arguments, const TensorBlock& block,
                             TensorScratch& scratch) {
  const uint32_t begin = scratch.covers[block.x].begin;
  const uint32_t columns = scratch.covers[block.x + block.count - 1].last + 1 - begin;
  sum_rows(arguments, block.frame, tensor_cover(arguments.y, block.y), begin, columns, scratch);
  const uint32_t ratio = arguments.x.pixel == 1 ? arguments.x.footprint : 0;
  if (ratio == 2) return finish_whole<Store, 2>(arguments, block, scratch);
  if (ratio == 3) return finish_whole<Store, 3>(arguments, block, scratch);
  if (ratio == 4) return finish_whole<Store, 4>(arguments, block, scratch);
  finish_block<Store>(arguments, block, scratch, [&](uint32_t c, uint32_t i) FRAMERING_ROW_LAMBDA {
    const TensorScratch::Cover& cover = scratch.covers[block.x + i];
    const uint32_t first = cover.begin - begin, last = cover.last - begin;
    const uint32_t* sums = scratch.sums[c].data();
    uint64_t whole = 0;
    for (uint32_t x = first + 1; x < last; ++x) whole += sums[x];
    const uint64_t sum = whole * arguments.x.pixel + uint64_t{cover.begin_weight} * sums[first] +
                         uint64_t{cover.last_weight} * sums[last];
    return static_cast<float>(static_cast<int64_t>(sum));
  });
}

template <class Store>
FRAMERING_ROW void convert_rows(const TensorArguments& arguments) {
  TensorScratch scratch(arguments);
  for (uint32_t frame = 0; frame < arguments.frame_count; ++frame) {
    for (uint32_t y = 0; y < arguments.y.out; ++y) {
      for (uint32_t x = 0; x < arguments.x.out; x += scratch.block) {
        const TensorBlock block{frame, x, y, std::min(scratch.block, arguments.x.out - x)};
        if (arguments.resize == Resize::nearest) {
          take_nearest<Store>(arguments, block, scratch);
        } else if (arguments.resize == Resize::bilinear) {
          take_bilinear<Store>(arguments, block, scratch);
        } else {
          take_area<Store>(arguments, block, scratch);
        }
      }
    }
  }
}

}  // namespace framering::internal
