// A memory with one port that reads and one that writes.
// An address given in one cycle has its data in the next; the data stay until the next read.
// Read and write of one address in one cycle: the old data are read.
module memory_1r1w #(
    parameter WORDS = 2,
    parameter BITS = 1,
    parameter ADDRESS_BITS = 1,
    parameter LOAD = 0,          // 1: the words of the file CONTENTS are there at power-up
    parameter CONTENTS = "none"
) (
    input  wire                    clk,
    input  wire                    read_enable,
    input  wire [ADDRESS_BITS-1:0] read_address,
    output reg  [BITS-1:0]         read_data,
    input  wire                    write_enable,
    input  wire [ADDRESS_BITS-1:0] write_address,
    input  wire [BITS-1:0]         write_data
);
    reg [BITS-1:0] words [0:WORDS-1];

`ifndef NO_CONTENTS // for a memory without a state at power-up, as a macro on a chip is
    generate
        if (LOAD != 0) begin : load
            initial $readmemh(CONTENTS, words);
        end
    endgenerate
`endif

    always @(posedge clk) begin
        if (write_enable) words[write_address] <= write_data;
        if (read_enable) read_data <= words[read_address];
    end
endmodule
