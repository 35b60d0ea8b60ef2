// A memory with one port that reads and one that writes.
// Read and write of one address in one cycle: the new data are read, forwarded around the memory.
module memory_1r1w_forward #(
    parameter WORDS = 2,
    parameter BITS = 1,
    parameter ADDRESS_BITS = 1,
    parameter LOAD = 0,          // 1: the words of the file CONTENTS are there at power-up
    parameter CONTENTS = "none"
) (
    input  wire                    clk,
    input  wire                    read_enable,
    input  wire [ADDRESS_BITS-1:0] read_address,
    output wire [BITS-1:0]         read_data,
    input  wire                    write_enable,
    input  wire [ADDRESS_BITS-1:0] write_address,
    input  wire [BITS-1:0]         write_data
);
    wire [BITS-1:0] stored;
    reg  [BITS-1:0] forwarded;
    reg             forward;

    assign read_data = forward ? forwarded : stored;

    always @(posedge clk)
        if (read_enable) begin
            forward <= write_enable && read_address == write_address;
            forwarded <= write_data;
        end

    memory_1r1w #(
        .WORDS(WORDS),
        .BITS(BITS),
        .ADDRESS_BITS(ADDRESS_BITS),
        .LOAD(LOAD),
        .CONTENTS(CONTENTS)
    ) memory (
        .clk(clk),
        .read_enable(read_enable),
        .read_address(read_address),
        .read_data(stored),
        .write_enable(write_enable),
        .write_address(write_address),
        .write_data(write_data)
    );
endmodule
