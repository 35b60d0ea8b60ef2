// A memory with one port that reads or writes.
// An address given in one cycle has its data in the next; the data stay through writes and idle cycles.
module memory_1rw #(
    parameter WORDS = 2,
    parameter BITS = 1,
    parameter ADDRESS_BITS = 1,
    parameter LOAD = 0,          // 1: the words of the file CONTENTS are there at power-up
    parameter CONTENTS = "none"
) (
    input  wire                    clk,
    input  wire                    enable,
    input  wire                    write,
    input  wire [ADDRESS_BITS-1:0] address,
    input  wire [BITS-1:0]         data,
    output reg  [BITS-1:0]         read_data
);
    reg [BITS-1:0] words [0:WORDS-1];

`ifndef NO_CONTENTS // for a memory without a state at power-up, as a macro on a chip is
    generate
        if (LOAD != 0) begin : load
            initial $readmemh(CONTENTS, words);
        end
    endgenerate
`endif

    always @(posedge clk)
        if (enable) begin
            if (write) words[address] <= data;
            else read_data <= words[address];
        end
endmodule
