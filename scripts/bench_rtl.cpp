// The Verilator side of bench_rtl.sh: the same stimulus and hash as hw/rtl/examples/bench_rtl.rs.
#include "verilated.h"
#include "Vbench.h"
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

static double since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: bench all|sparse CYCLES\n");
        return 2;
    }
    const bool all = !std::strcmp(argv[1], "all");
    const uint64_t cycles = std::strtoull(argv[2], nullptr, 10);
    auto start = std::chrono::steady_clock::now();
    auto* top = new Vbench;
    auto edge = [top] {
        top->clk = 1;
        top->eval();
        top->clk = 0;
        top->eval();
    };
    top->clk = 0;
    top->reset = 1;
    top->event_ = top->tick = top->all = top->picked = top->neuron = top->delay = top->weight = 0;
    top->eval(); // else the first edge is lost
    edge();
    const double first = since(start);
    top->reset = 0;
    top->all = all;
    uint64_t random = 0x9e3779b97f4a7c15u, hash = 0;
    start = std::chrono::steady_clock::now();
    for (uint64_t cycle = 0; cycle < cycles; ++cycle) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        top->event_ = (random & 3) != 0;
        top->neuron = random >> 8 & 63;
        top->delay = random >> 16 & 63;
        top->weight = static_cast<uint8_t>((random >> 24 & 127) - 48);
        top->tick = (cycle & 255) == 128;
        top->picked = cycle >> 8 & 63;
        edge();
        hash = hash * 31 + top->total;
    }
    std::printf("%016lx %lu %.6f %.6f\n", hash, cycles, since(start), first);
}
