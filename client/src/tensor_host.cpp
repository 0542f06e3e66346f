#include "client/src/tensor_host.h"

#include "client/src/tensor_rows.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace framering::internal {

namespace {

template <DataType kType>
FRAMERING_ROW void store_run(const TensorArguments& arguments, size_t index, const float* values,
                             uint32_t count) {
  using Element = TensorElement<kType>;
  auto* out = reinterpret_cast<decltype(Element::round(0))*>(arguments.out) + index;
  for (uint32_t i = 0; i < count; ++i) out[i] = Element::round(values[i]);
}

FRAMERING_ROW void store_any(const TensorArguments& arguments, size_t index, const float* values,
                             uint32_t count) {
  switch (arguments.dtype) {
    case DataType::uint8:
      return store_run<DataType::uint8>(arguments, index, values, count);
    case DataType::float16:
      return store_run<DataType::float16>(arguments, index, values, count);
    case DataType::bfloat16:
      return store_run<DataType::bfloat16>(arguments, index, values, count);
    case DataType::float32:
      return store_run<DataType::float32>(arguments, index, values, count);
  }
}

struct PortableStore {
  __attribute__((noinline)) static void run(const TensorArguments& arguments, size_t index,
                                            const float* values, uint32_t count) {
    store_any(arguments, index, values, count);
  }
};

#ifdef __x86_64__

#define FRAMERING_AVX2 __attribute__((target("avx2,fma,f16c")))

struct Avx2Store {
  FRAMERING_AVX2 __attribute__((noinline)) static void run(const TensorArguments& arguments, size_t index,
                                                           const float* values, uint32_t count) {
    uint32_t done = 0;
    if (arguments.dtype == DataType::uint8) {
      uint8_t* out = arguments.out + index;
      for (; done + 32 <= count; done += 32) round_32(values + done, out + done);
    } else if (arguments.dtype == DataType::float16) {
      uint16_t* out = reinterpret_cast<uint16_t*>(arguments.out) + index;
      for (; done + 8 <= count; done += 8) {
        const __m128i rounded = _mm256_cvtps_ph(_mm256_loadu_ps(values + done), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + done), rounded);
      }
    }
    store_any(arguments, index + done, values + done, count - done);
  }

 private:
  // The conversion makes what is below int32 negative, the packing what is below 0 zero.
  FRAMERING_AVX2 static __m256i round_8(const float* values) {
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_loadu_ps(values), _mm256_set1_ps(255)));
  }
  FRAMERING_AVX2 static void round_32(const float* values, uint8_t* out) {
    const __m256i low = _mm256_packs_epi32(round_8(values), round_8(values + 8));
    const __m256i high = _mm256_packs_epi32(round_8(values + 16), round_8(values + 24));
    const __m256i lanes = _mm256_packus_epi16(low, high);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(lanes, order));
  }
};

FRAMERING_AVX2 void convert_with_avx2(const TensorArguments& arguments) {
  convert_rows<Avx2Store>(arguments);
}

// Every processor with AVX2 and FMA has F16C.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#else

bool has_avx2() {
  return false;
}
void convert_with_avx2(const TensorArguments&) {}

#endif

}  // namespace

void convert_portably(const TensorArguments& arguments) {
  convert_rows<PortableStore>(arguments);
}

void convert_on_host(const TensorArguments& arguments) {
  static const auto convert = has_avx2() ? convert_with_avx2 : convert_portably;
  convert(arguments);
}

}  // namespace framering::internal
