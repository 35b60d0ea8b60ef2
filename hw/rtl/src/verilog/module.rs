//! The text of one module.

use super::expr::{Names, constant};
use super::memory_modules;
use crate::ir::{
    Contents, Definition, Info, Instance, Memory, MemoryPorts, Named, NodeId, Op, PropertyKind,
    ReadDuringWrite, Type,
};
use crate::names::legal;
use std::collections::HashSet;
use std::fmt::Write;

/// Appends a line. Writing to a string cannot fail.
macro_rules! line {
    ($out:expr, $($text:tt)*) => {{
        _ = writeln!($out, $($text)*);
    }};
}

/// Verilog of a definition.
pub(super) fn text(def: &Definition) -> String {
    let mut names = Names::new(def);
    let mut out = String::new();
    header(&mut out, def);
    declarations(&mut out, def, &names);
    let hardware: HashSet<NodeId> = def.hardware(true).into_iter().collect();
    let (inside, formal): (Vec<_>, Vec<_>) = names.cuts().into_iter().partition(|id| hardware.contains(id));
    let mut body = String::new();
    assignments(&mut body, def, &mut names, &hardware, &inside);
    for memory in &def.memories {
        memory_instance(&mut body, def, &mut names, memory);
    }
    for instance in &def.instances {
        module_instance(&mut body, &mut names, instance);
    }
    registers(&mut body, def, &mut names);
    states(&mut out, &names);
    out.push_str(&body);
    sink(&mut out, def, &mut names, &formal);
    if def.is_clocked() {
        properties(&mut out, def, &mut names, &formal);
    }
    line!(out, "endmodule");
    out
}

/// A comment for a doc text.
fn comment(out: &mut String, indent: &str, doc: &str) {
    for text in doc.lines() {
        line!(out, "{indent}// {}", text.trim_end());
    }
}

/// `[7:0]`, or spaces for one bit.
pub(super) fn range(width: u32) -> String {
    if width == 1 { String::new() } else { format!("[{}:0] ", width - 1) }
}

/// Whether it or anything below it reads contents by path.
fn has_paths(def: &Definition) -> bool {
    def.memories.iter().any(|m| m.contents == Contents::PerInstance)
        || def.instances.iter().any(|i| has_paths(&i.def))
}

fn header(out: &mut String, def: &Definition) {
    comment(out, "", &def.doc);
    let name = def.unique_name();
    if has_paths(def) {
        line!(out, "module {name} #(");
        line!(
            out,
            "    parameter PATH = \"{name}\" // where this instance is: its memories read PATH.<memory>.hex"
        );
        line!(out, ") (");
    } else {
        line!(out, "module {name} (");
    }
    let mut ports = Vec::new();
    if def.is_clocked() {
        ports.push("    input  wire clk".to_string());
        ports.push("    input  wire reset".to_string());
    }
    for port in &def.inputs {
        ports.push(declared(&port.info, "input  wire"));
    }
    for port in &def.outputs {
        let name = &port.info.name;
        match def.names.get(name) {
            Some(&Named::Reg(i)) => {
                ports.push(declared(&merged(&port.info, &def.regs[i as usize].info), "output reg "))
            }
            Some(&Named::Wire(i)) => {
                ports.push(declared(&merged(&port.info, &def.wires[i as usize].info), "output wire"));
            }
            _ => ports.push(declared(&port.info, "output wire")),
        }
    }
    line!(out, "{}\n);", ports.join(",\n"));
}

/// A port with its comment.
fn declared(info: &Info, kind: &str) -> String {
    let mut text = String::new();
    comment(&mut text, "    ", &described(info));
    format!("{text}    {kind} {}{}", range(info.width), info.verilog())
}

/// A port that is also the register or signal of its name.
fn merged(port: &Info, inner: &Info) -> Info {
    Info { doc: if port.doc.is_empty() { inner.doc.clone() } else { port.doc.clone() }, ..port.clone() }
}

/// Doc text of a signal and how it is read, where that is not plain.
fn described(info: &Info) -> String {
    let reading = match info.ty {
        Type::Unsigned => String::new(),
        Type::Signed => "Signed.".into(),
        Type::States(states) => {
            let all = states.states.iter().enumerate().map(|(i, s)| format!("{i} {s}"));
            format!("{}: {}.", states.name, all.collect::<Vec<_>>().join(", "))
        }
    };
    match (info.doc.is_empty(), reading.is_empty()) {
        (true, _) => reading,
        (_, true) => info.doc.clone(),
        _ => format!("{} {reading}", info.doc),
    }
}

/// Everything that has a name in the description, and what memories and instances give.
fn declarations(out: &mut String, def: &Definition, names: &Names) {
    for (kind, infos) in [
        ("reg ", def.regs.iter().map(|r| &r.info).collect::<Vec<_>>()),
        ("wire", def.wires.iter().map(|w| &w.info).collect()),
    ] {
        for info in infos.into_iter().filter(|info| !def.outputs.iter().any(|o| o.info.name == info.name)) {
            comment(out, "    ", &described(info));
            line!(out, "    {kind} {}{};", range(info.width), info.verilog());
        }
    }
    for memory in &def.memories {
        line!(out, "    wire {}{};", range(memory.bits), names.ident(memory.node));
    }
    for instance in &def.instances {
        for (port, &node) in instance.def.outputs.iter().zip(&instance.outputs) {
            line!(out, "    wire {}{};", range(port.info.width), names.ident(node));
        }
    }
}

/// The states that the text names.
fn states(out: &mut String, names: &Names) {
    for (node, _) in names.states().into_iter().filter(|(node, _)| names.is_used(*node)) {
        let shape = names.def.node(node);
        let Op::State(_, state) = shape.op else { continue };
        let value = constant(state.into(), shape.width);
        line!(out, "    localparam {}{} = {value};", range(shape.width), names.ident(node));
    }
}

fn assignments(
    out: &mut String,
    def: &Definition,
    names: &mut Names,
    hardware: &HashSet<NodeId>,
    cuts: &[NodeId],
) {
    cut_wires(out, "    ", names, cuts);
    for wire in def.wires.iter().filter(|w| hardware.contains(&w.node)) {
        let name = wire.info.verilog();
        line!(out, "    assign {name} = {};", names.assigned(wire.driver, &name));
    }
    for port in def.outputs.iter().filter(|o| !def.is_named(&o.info.name, o.node)) {
        let name = port.info.verilog();
        line!(out, "    assign {name} = {};", names.assigned(port.node, &name));
    }
}

fn cut_wires(out: &mut String, indent: &str, names: &mut Names, cuts: &[NodeId]) {
    for &id in cuts {
        let expression = names.expression(id);
        line!(out, "{indent}wire {}{} = {expression};", range(names.def.width(id)), names.ident(id));
    }
}

fn memory_instance(out: &mut String, def: &Definition, names: &mut Names, memory: &Memory) {
    line!(out, "");
    comment(out, "    ", &memory.doc);
    let modules = memory_modules(&memory.ports);
    let mut parameters = vec![
        format!(".WORDS({})", memory.words),
        format!(".BITS({})", memory.bits),
        format!(".ADDRESS_BITS({})", crate::bits_for(memory.words)),
    ];
    let file = match memory.contents {
        Contents::Unknown => None,
        Contents::Fixed(_) => Some(format!("\"{}.{}.hex\"", def.unique_name(), memory.name)),
        Contents::PerInstance => Some(format!("{{PATH, \".{}.hex\"}}", memory.name)),
    };
    if let Some(file) = file {
        parameters.push(".LOAD(1)".into());
        parameters.push(format!(".CONTENTS({file})"));
    }
    let mut ports = vec![("clk".to_string(), "clk".to_string())];
    match memory.ports {
        MemoryPorts::OneRw { address, enable, write, data } => {
            ports.push(("enable".into(), outside_reset(names, enable)));
            ports.push(("write".into(), names.value(write)));
            ports.push(("address".into(), names.value(address)));
            ports.push(("data".into(), names.value(data)));
            ports.push(("read_data".into(), names.ident(memory.node).to_string()));
        }
        MemoryPorts::OneReadOneWrite {
            read_address,
            read_enable,
            write_address,
            write_enable,
            write_data,
            rule: _,
        } => {
            ports.push(("read_enable".into(), outside_reset(names, read_enable)));
            ports.push(("read_address".into(), names.value(read_address)));
            ports.push(("read_data".into(), names.ident(memory.node).to_string()));
            ports.push(("write_enable".into(), outside_reset(names, write_enable)));
            ports.push(("write_address".into(), names.value(write_address)));
            ports.push(("write_data".into(), names.value(write_data)));
        }
    }
    let module = modules.last().map_or("", |m| m.0);
    let name = instance_name(names, &memory.name, INSIDE_MEMORIES.contains(&memory.name.as_str()));
    connect(out, module, &parameters, &name, &ports);
}

/// The enable of a memory: nothing happens under reset.
fn outside_reset(names: &mut Names, enable: NodeId) -> String {
    match names.def.node(enable).op {
        Op::Const(0) => constant(0, 1),
        Op::Const(_) => "~reset".to_string(),
        _ => format!("{} & ~reset", names.atom(enable)),
    }
}

fn module_instance(out: &mut String, names: &mut Names, instance: &Instance) {
    line!(out, "");
    comment(out, "    ", &instance.doc);
    let mut parameters = Vec::new();
    if has_paths(&instance.def) {
        parameters.push(format!(".PATH({{PATH, \".{}\"}})", instance.name));
    }
    let mut ports = Vec::new();
    if instance.def.is_clocked() {
        ports.push(("clk".into(), "clk".to_string()));
        ports.push(("reset".into(), "reset".to_string()));
    }
    for (port, &node) in instance.def.inputs.iter().zip(&instance.inputs) {
        ports.push((port.info.verilog(), names.value(node)));
    }
    for (port, &node) in instance.def.outputs.iter().zip(&instance.outputs) {
        ports.push((port.info.verilog(), names.ident(node).to_string()));
    }
    let name = instance_name(names, &instance.name, instance.def.names.contains_key(&instance.name));
    connect(out, &instance.def.unique_name(), &parameters, &name, &ports);
}

/// Names inside the modules of memories.
const INSIDE_MEMORIES: [&str; 16] = [
    "enable",
    "write",
    "address",
    "data",
    "read_data",
    "words",
    "load",
    "read_enable",
    "read_address",
    "write_enable",
    "write_address",
    "write_data",
    "stored",
    "forwarded",
    "forward",
    "memory",
];

/// An instance's own name, unless something inside it has the same: Verilator takes that for a mistake.
fn instance_name(names: &mut Names, name: &str, is_inside: bool) -> String {
    if is_inside { names.free(&format!("{name}_")) } else { legal(name) }
}

fn connect(out: &mut String, module: &str, parameters: &[String], name: &str, ports: &[(String, String)]) {
    let parameters =
        if parameters.is_empty() { String::new() } else { format!(" #({})", parameters.join(", ")) };
    line!(out, "    {module}{parameters} {name} (");
    let ports: Vec<_> = ports.iter().map(|(port, text)| format!("        .{port}({text})")).collect();
    line!(out, "{}\n    );", ports.join(",\n"));
}

fn registers(out: &mut String, def: &Definition, names: &mut Names) {
    for reg in &def.regs {
        let name = reg.info.verilog();
        line!(out, "\n    always @(posedge clk)");
        let state = match reg.info.ty {
            Type::States(info) => format!(" // {}", info.states[reg.reset as usize]),
            Type::Unsigned | Type::Signed => String::new(),
        };
        line!(out, "        if (reset) {name} <= {};{state}", constant(reg.reset, reg.info.width));
        let next = names.value(reg.next);
        match reg.enable {
            Some(enable) => line!(out, "        else if ({}) {name} <= {next};", names.value(enable)),
            None => line!(out, "        else {name} <= {next};"),
        }
    }
}

/// Reads what nothing else reads, so that a linter's warnings mean something.
fn sink(out: &mut String, def: &Definition, names: &mut Names, formal: &[NodeId]) {
    let mut unused = names.partly_unused(formal);
    let clocked_inside = def.instances.iter().any(|i| i.def.is_clocked());
    if def.is_clocked() && def.regs.is_empty() && def.memories.is_empty() && !clocked_inside {
        unused.extend(["clk".to_string(), "reset".to_string()]);
    }
    if !unused.is_empty() {
        let name = names.free("unused");
        line!(out, "\n    // Bits that are dropped on purpose, or only watched.");
        unused.insert(0, "1'b0".into());
        line!(out, "    wire {name} = &{{\n{}\n    }};", wrapped(&unused));
    }
}

/// A list in lines of a readable width.
fn wrapped(items: &[String]) -> String {
    let mut lines = vec![String::new()];
    for (i, item) in items.iter().enumerate() {
        let item = if i + 1 < items.len() { format!("{item},") } else { item.clone() };
        match lines.last_mut() {
            Some(last) if last.len() + item.len() < WIDEST => {
                last.push_str(if last.is_empty() { "        " } else { " " });
                last.push_str(&item);
            }
            _ => lines.push(format!("        {item}")),
        }
    }
    lines.join("\n")
}

/// Columns of a line that holds a list.
const WIDEST: usize = 100;

fn properties(out: &mut String, def: &Definition, names: &mut Names, cuts: &[NodeId]) {
    names.counting = false;
    let mut body = String::new();
    for property in &def.properties {
        let keyword = match property.kind {
            PropertyKind::Assert => "assert",
            PropertyKind::Assume => "assume",
            PropertyKind::Cover => "cover",
        };
        comment(&mut body, "            ", &property.message);
        line!(
            body,
            "            {}: {keyword} ({});",
            legal(&property.name),
            names.value(property.condition)
        );
    }
    for memory in &def.memories {
        memory_properties(&mut body, names, memory);
    }
    if let Some(idle) = def.idle {
        idle_properties(&mut body, def, names, idle);
    }
    if body.is_empty() {
        return;
    }
    line!(out, "\n`ifdef FORMAL");
    line!(out, "    initial assume (reset);");
    cut_wires(out, "    ", names, cuts);
    line!(out, "    always @(posedge clk)");
    line!(out, "        if (!reset) begin");
    out.push_str(&body);
    line!(out, "        end");
    line!(out, "`endif");
}

/// Addresses stay inside a memory; where the rule leaves a collision undefined there is none.
fn memory_properties(body: &mut String, names: &mut Names, memory: &Memory) {
    let name = &memory.name;
    let mut inside = |names: &mut Names, what: &str, enable: NodeId, address: NodeId| {
        if !memory.words.is_power_of_two() {
            let (enable, address) = (names.atom(enable), names.atom(address));
            let words = constant(memory.words, crate::bits_for(memory.words));
            line!(body, "            {name}_{what}: assert (~{enable} | ({address} < {words}));");
        }
    };
    match memory.ports {
        MemoryPorts::OneRw { address, enable, .. } => inside(names, "address", enable, address),
        MemoryPorts::OneReadOneWrite {
            read_address, read_enable, write_address, write_enable, rule, ..
        } => {
            inside(names, "read_address", read_enable, read_address);
            inside(names, "write_address", write_enable, write_address);
            if rule == ReadDuringWrite::Undefined {
                let (r, w) = (names.atom(read_enable), names.atom(write_enable));
                let (from, to) = (names.atom(read_address), names.atom(write_address));
                line!(body, "            {name}_collision: assert (~({r} & {w} & ({from} == {to})));");
            }
        }
    }
}

/// While idle no state of this module changes (that of its instances is theirs to promise).
fn idle_properties(body: &mut String, def: &Definition, names: &mut Names, idle: NodeId) {
    line!(body, "            if ({}) begin", names.value(idle));
    for reg in &def.regs {
        let (name, next) = (reg.info.verilog(), names.atom(reg.next));
        match reg.enable {
            Some(enable) => {
                let enable = names.atom(enable);
                line!(body, "                assert (~{enable} | ({next} == {name}));");
            }
            None => line!(body, "                assert ({next} == {name});"),
        }
    }
    for memory in &def.memories {
        let (a, b) = match memory.ports {
            MemoryPorts::OneRw { enable, .. } => (enable, enable),
            MemoryPorts::OneReadOneWrite { read_enable, write_enable, .. } => (read_enable, write_enable),
        };
        for enable in if a == b { vec![a] } else { vec![a, b] } {
            line!(body, "                assert (~{});", names.atom(enable));
        }
    }
    line!(body, "            end");
}
