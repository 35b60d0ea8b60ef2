//! Test benches that replay a run of the simulator against the emitted Verilog, cycle by cycle.

use super::module::range;
use crate::design::SimError;
use crate::ir::{Def, Port};
use crate::sim::Simulator;
use std::fmt::Write;

/// A recorded run: inputs and outputs of every cycle from reset on.
///
/// The bench that comes of it prints `PASS` with its name, or the first cycles that differ. Bits that are unknown (`x`) in the Verilog are
/// not compared but counted, since a memory that was never read shows them; give Verilator `--x-initial 0`.
#[derive(Debug, Clone)]
pub struct Bench {
    def: Def,
    /// Which instance of the circuit is recorded; 0 is the top.
    instance: usize,
    lines: Vec<String>,
}

impl Bench {
    /// A bench of a circuit's top; nothing is recorded yet.
    #[must_use]
    pub fn new(def: &Def) -> Self {
        Self { def: def.clone(), instance: 0, lines: Vec::new() }
    }

    /// A bench of one instance in a running circuit, which gives it its stimulus; an empty path is the top.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn inside(sim: &Simulator, path: &str) -> Result<Self, SimError> {
        let (instance, def) = sim.design().instance(path)?;
        Ok(Self { def: def.clone(), instance, lines: Vec::new() })
    }

    /// What is recorded.
    #[must_use]
    pub fn def(&self) -> &Def {
        &self.def
    }

    /// Records the inputs and outputs of a cycle; call it just before every step, from the first on.
    pub fn sample(&mut self, sim: &mut Simulator) {
        let mut bits = String::new();
        for port in self.def.inputs().iter().chain(self.def.outputs()) {
            let value = sim.port_bits(self.instance, port);
            for i in (0..port.info.width).rev() {
                bits.push(if value >> i & 1 == 1 { '1' } else { '0' });
            }
        }
        self.lines.push(bits);
    }

    /// Cycles recorded.
    #[must_use]
    pub fn cycles(&self) -> usize {
        self.lines.len()
    }

    /// Cycles in which an input is not what it was in the cycle before.
    #[must_use]
    pub fn activity(&self) -> usize {
        let inputs: u32 = self.def.inputs().iter().map(|p| p.info.width).sum();
        let end = inputs as usize;
        self.lines.windows(2).filter(|pair| pair[0][..end] != pair[1][..end]).count()
    }

    /// What the bench reads: a line of binary digits a cycle, for the file `<top>.vectors`.
    #[must_use]
    pub fn vectors(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// The bench, a module `<top>_bench`. With its parameter `FINISH` at 0 it does not end the simulation, so that
    /// several benches can run in one.
    #[must_use]
    pub fn text(&self) -> String {
        let top = self.def.unique_name();
        let (inputs, outputs) = (self.def.inputs(), self.def.outputs());
        let total = |ports: &[Port]| ports.iter().map(|p| p.info.width).sum::<u32>();
        let (in_bits, out_bits) = (total(inputs), total(outputs));
        let mut ports = Vec::new();
        if self.def.is_clocked() {
            ports.push(".clk(clk)".to_string());
            ports.push(".reset(reset)".to_string());
        }
        for (signal, all, mut at) in [("vector", inputs, in_bits + out_bits), ("outputs", outputs, out_bits)]
        {
            for port in all {
                at -= port.info.width;
                ports.push(format!(".{}({signal}[{}:{at}])", port.info.verilog(), at + port.info.width - 1));
            }
        }
        let mut out = String::new();
        let (ports, cycles) = (ports.join(",\n        "), self.lines.len());
        let (last, most) = (out_bits.max(1) - 1, cycles.max(1) - 1);
        let width = range(in_bits + out_bits);
        _ = write!(
            out,
            r#"// Replays a recorded run of {top}.
module {top}_bench #(
    parameter FINISH = 1
);
    reg clk;
    reg reset;
    reg {width}vectors [0:{most}];
    reg {width}vector;
    wire [{last}:0] outputs;
    wire [{last}:0] known = ~(outputs ^ outputs); // 1, or x where the output is unknown
    integer cycle;
    integer bit_;
    integer failures;
    integer unknown;

    {top} dut (
        {ports}
    );

    initial begin
        $readmemb("{top}.vectors", vectors);
        failures = 0;
        unknown = 0;
        clk = 1'b0;
        reset = 1'b1;
        vector = vectors[0];
        #1 clk = 1'b1;
        #1 clk = 1'b0;
        reset = 1'b0;
        for (cycle = 0; cycle < {cycles}; cycle = cycle + 1) begin
            vector = vectors[cycle];
            #1;
            if (outputs !== vector[{last}:0]) for (bit_ = 0; bit_ <= {last}; bit_ = bit_ + 1)
                if (known[bit_] !== 1'b1) unknown = unknown + 1;
                else if (outputs[bit_] !== vector[bit_]) begin
                    failures = failures + 1;
                    if (failures <= 20) $display("{top}: cycle %0d: bit %0d of the outputs is %b", cycle, bit_, outputs[bit_]);
                end
            clk = 1'b1;
            #1 clk = 1'b0;
            #1;
        end
        if (failures == 0) $display("PASS %0d cycles, %0d unknown bits in {top}", cycle, unknown);
        else $display("FAIL %0d bits differ in {top}", failures);
        if (FINISH != 0) $finish;
    end
endmodule
"#
        );
        out
    }
}
