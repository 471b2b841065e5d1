#!/usr/bin/env bash
# The comparison on an NVIDIA GPU, at the shapes of Llama Guard 3 1B and 8B: builds llama-cpp-python, llama-server and
# llama-bench for the chip at hand, writes random models, measures, and leaves figures in benchmarks/results.
#
#     benchmarks/gpu.sh ggml-vocab-llama-bpe.gguf openai_mod.jsonl.gz [folder of llama.cpp's sources]
#
# Needs the CUDA toolkit, cmake, and 20 GB of disk. Without the third argument llama.cpp is taken out of the source
# package of llama-cpp-python, so that all contenders are built from the same sources.
set -euo pipefail
cd "$(dirname "$0")/.."
vocabulary=$(realpath "$1") prompts=$(realpath "$2") sources=${3:-}
work=${WORK:-build/gpu}
mkdir -p "$work" benchmarks/results

python3 -m venv "$work/venv"
python="$work/venv/bin/python"
flags="-DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=native"
CMAKE_ARGS="$flags -DLLAVA_BUILD=OFF -DLLAMA_BUILD_COMMON=OFF" "$python" -m pip install --no-cache-dir -e '.[dev]'

if [ -z "$sources" ]; then
    version=$("$python" -c 'import llama_cpp; print(llama_cpp.__version__)')
    "$python" -m pip download --no-deps --no-build-isolation --no-binary llama-cpp-python -d "$work" \
        "llama-cpp-python==$version"
    tar -xf "$work/llama_cpp_python-$version.tar.gz" -C "$work"
    sources="$work/llama_cpp_python-$version/vendor/llama.cpp"
fi
cmake -S "$sources" -B "$work/llama.cpp" -DCMAKE_BUILD_TYPE=Release $flags -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF
cmake --build "$work/llama.cpp" --target llama-server llama-bench -j"$(nproc)"

for shape in 1b 8b; do
    for quantization in q8_0 f16; do
        "$python" -m benchmarks.compare --gpu --shape "$shape" --quantization "$quantization" --models "$work" \
            --vocabulary "$vocabulary" --prompts "$prompts" --llama-cpp "$work/llama.cpp/bin" --per-round 200 \
            --slots 1 --slots 8 --slots 32 --out "benchmarks/results/$shape-$quantization-gpu.json"
        rm -f "$work/random-$shape-$quantization.gguf"
    done
done
