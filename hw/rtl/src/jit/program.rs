//! Machine code of a circuit, compiled definition by definition.
//!
//! With the access to the state in `layout.rs` this is the only unsafe code of the crate: it calls what was compiled, and frees it.

use super::function::{Emitter, Kind};
use super::layout::{State, Unit, units};
use crate::design::Design;
use cranelift::codegen::Context;
use cranelift::codegen::control::ControlPlane;
use cranelift::codegen::isa::OwnedTargetIsa;
use cranelift::codegen::settings::{self, Configurable, Flags};
use cranelift::jit::{JITBuilder, JITModule};
use cranelift::module::{FuncId, Linkage, Module, ModuleError, ModuleReloc, default_libcall_names};
use cranelift::prelude::{AbiParam, FunctionBuilder, FunctionBuilderContext, Signature, types};
use std::collections::HashMap;

/// Why a circuit cannot be compiled here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    #[error("no machine code for this computer: {0}")]
    Host(String),
    #[error("{0}")]
    Module(#[from] Box<ModuleError>),
}

impl From<ModuleError> for CompileError {
    fn from(error: ModuleError) -> Self {
        Self::Module(Box::new(error))
    }
}

/// Functions of more instructions get registers in one pass. The better way takes a time that grows much faster than
/// the function: minutes for the top of a chip with a hundred routers.
const LARGE: usize = 30_000;

/// Machine code of a circuit.
pub(super) struct Program {
    pub units: Vec<Unit>,
    /// Always there; its memory is freed with the program.
    module: Option<JITModule>,
    context: Context,
    /// Compiles what is too large for the module's own register allocator.
    quick: OwnedTargetIsa,
    builder: FunctionBuilderContext,
    declared: HashMap<(Kind, usize), FuncId>,
    /// Entry points that can be called, by kind and unit; null where nothing was compiled yet.
    ready: [Vec<*const u8>; Kind::COUNT],
    /// Bytes that the state of the whole circuit has.
    bytes: u64,
    /// Nodes of the top.
    nodes: usize,
}

// SAFETY: the pointers are addresses of finished code, which nothing changes and which lives as long as the program.
unsafe impl Send for Program {}

impl Program {
    /// Compiles the clock edge; the rest follows when it is first needed.
    pub fn new(design: &Design) -> Result<Self, CompileError> {
        let host = |e: String| CompileError::Host(e);
        let isa = |allocator: &str| {
            let mut flags = settings::builder();
            for (name, value) in [
                ("opt_level", "speed"),
                ("regalloc_algorithm", allocator),
                ("use_colocated_libcalls", "false"),
                ("is_pic", "false"),
                ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
                ("unwind_info", "false"),
            ] {
                flags.set(name, value).map_err(|e| host(e.to_string()))?;
            }
            let isa = cranelift::native::builder().map_err(|e| host(e.to_string()))?;
            isa.finish(Flags::new(flags)).map_err(|e| host(e.to_string()))
        };
        let (isa, quick) = (isa("backtracking")?, isa("single_pass")?);
        if isa.pointer_bits() != 64 {
            return Err(host("its addresses do not have 64 bits".into()));
        }
        let module = JITModule::new(JITBuilder::with_isa(isa, default_libcall_names()));
        let units = units(design.top());
        let top = units.len() - 1;
        let mut program = Self {
            bytes: units[top].layout.size,
            nodes: units[top].def.nodes.len(),
            units,
            context: module.make_context(),
            quick,
            module: Some(module),
            builder: FunctionBuilderContext::new(),
            declared: HashMap::new(),
            ready: std::array::from_fn(|_| vec![std::ptr::null(); top + 1]),
        };
        program.compile(Kind::Clock, top)?;
        Ok(program)
    }

    fn signature(&self, kind: Kind) -> Signature {
        let module = self.module.as_ref().expect("there until it is dropped");
        let mut signature = module.make_signature();
        signature.params.push(AbiParam::new(types::I64));
        match kind {
            Kind::Clock => {}
            // Values of less than a register are passed whole, as other compilers do.
            Kind::Check => {
                signature.params.push(AbiParam::new(types::I8).uext());
                signature.returns.push(AbiParam::new(types::I8).uext());
            }
            Kind::View | Kind::Outputs => signature.params.push(AbiParam::new(types::I64)),
        }
        signature
    }

    fn declare(&mut self, kind: Kind, unit: usize) -> Result<FuncId, CompileError> {
        if let Some(&known) = self.declared.get(&(kind, unit)) {
            return Ok(known);
        }
        let signature = self.signature(kind);
        let name = format!("{kind:?} {}", self.units[unit].def.unique_name());
        let module = self.module.as_mut().expect("there until it is dropped");
        let id = module.declare_function(&name, Linkage::Local, &signature)?;
        self.declared.insert((kind, unit), id);
        Ok(id)
    }

    /// Compiles a function and those that it calls, and makes it ready.
    fn compile(&mut self, kind: Kind, unit: usize) -> Result<(), CompileError> {
        let mut wanted = vec![false; self.units.len()];
        wanted[unit] = true;
        for parent in (0..=unit).rev() {
            if !wanted[parent] {
                continue;
            }
            for &child in &self.units[parent].children {
                wanted[child] |= match kind {
                    Kind::Clock => self.units[child].stateful,
                    Kind::Check => self.units[child].checked,
                    Kind::View | Kind::Outputs => false,
                };
            }
        }
        for each in (0..=unit).filter(|&u| wanted[u]) {
            if kind != Kind::Clock || !self.units[each].inlined {
                self.define(kind, each)?;
            }
        }
        let module = self.module.as_mut().expect("there until it is dropped");
        module.finalize_definitions()?;
        let entry = module.get_finalized_function(self.declared[&(kind, unit)]);
        self.ready[kind as usize][unit] = entry;
        Ok(())
    }

    fn define(&mut self, kind: Kind, unit: usize) -> Result<(), CompileError> {
        let id = self.declare(kind, unit)?;
        self.context.func.signature = self.signature(kind);
        let module = self.module.as_mut().expect("there until it is dropped");
        let builder = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let mut imported = HashMap::new();
        let declared = &self.declared;
        let builder = Emitter::emit(builder, &self.units, unit, kind, |b, child| {
            *imported
                .entry(child)
                .or_insert_with(|| module.declare_func_in_func(declared[&(kind, child)], b.func))
        });
        builder.finalize(module.target_config());
        if self.context.func.dfg.num_insts() > LARGE {
            let code = self.context.compile(&*self.quick, &mut ControlPlane::default());
            let code = code.map_err(|e| CompileError::Host(format!("{:?}", e.inner)))?;
            let (align, bytes) = (u64::from(code.buffer.alignment), code.code_buffer().to_vec());
            let relocs = code.buffer.relocs().to_vec();
            let func = &self.context.func;
            let relocs: Vec<_> = relocs.iter().map(|r| ModuleReloc::from_mach_reloc(r, func, id)).collect();
            module.define_function_bytes(id, align, &bytes, &relocs)?;
        } else {
            module.define_function(id, &mut self.context)?;
        }
        module.clear_context(&mut self.context);
        Ok(())
    }

    /// Entry point of a function, compiled if it was not yet.
    ///
    /// # Panics
    /// If it cannot be compiled, although the clock edge of the same circuit was.
    #[inline]
    fn entry(&mut self, kind: Kind, unit: usize) -> *const u8 {
        match self.ready[kind as usize][unit] {
            none if none.is_null() => self.late(kind, unit),
            ready => ready,
        }
    }

    #[cold]
    fn late(&mut self, kind: Kind, unit: usize) -> *const u8 {
        self.compile(kind, unit).expect("its clock edge was compiled");
        self.ready[kind as usize][unit]
    }

    /// Takes the clock edge.
    #[inline]
    pub fn clock(&mut self, state: &mut State) {
        assert!(state.bytes() >= self.bytes);
        let entry = self.entry(Kind::Clock, self.units.len() - 1);
        // SAFETY: the code was compiled with this signature, and touches only the top's block, which is as long as the
        // layout says: offsets are those of the layout, and every index of a memory is bounded in the code.
        unsafe {
            let function: extern "C" fn(*mut u64) = std::mem::transmute(entry);
            function(state.pointer());
        }
    }

    /// Marks the covers of this cycle, and tells whether something may be violated.
    pub fn check(&mut self, state: &mut State) -> bool {
        let top = self.units.len() - 1;
        if !self.units[top].checked {
            return false;
        }
        assert!(state.bytes() >= self.bytes);
        let entry = self.entry(Kind::Check, top);
        // SAFETY: as for the clock edge.
        unsafe {
            let function: extern "C" fn(*mut u64, u8) -> u8 = std::mem::transmute(entry);
            function(state.pointer(), 0) != 0
        }
    }

    /// Gives the values of the top's outputs, one word a node of its definition.
    #[inline]
    pub fn outputs(&mut self, state: &mut State, values: &mut [u64]) {
        assert!(state.bytes() >= self.bytes && values.len() >= self.nodes);
        let entry = self.entry(Kind::Outputs, self.units.len() - 1);
        // SAFETY: as for `look`.
        unsafe {
            let function: extern "C" fn(*mut u64, *mut u64) = std::mem::transmute(entry);
            function(state.pointer(), values.as_mut_ptr());
        }
    }

    /// Gives the values of nodes of the instance whose block is at `at`, one word a node of its definition.
    pub fn look(&mut self, unit: usize, state: &mut State, at: u64, values: &mut [u64]) {
        assert!(at.is_multiple_of(8) && at + self.units[unit].layout.size <= state.bytes());
        assert!(values.len() >= self.units[unit].def.nodes.len());
        let entry = self.entry(Kind::View, unit);
        // SAFETY: the code was compiled with this signature; it touches one block from `at` on, which the state holds, and
        // one word for each node, which `values` has.
        unsafe {
            let function: extern "C" fn(*mut u64, *mut u64) = std::mem::transmute(entry);
            function(state.pointer().add((at / 8) as usize), values.as_mut_ptr());
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: only the program's own methods call the code, and none runs any more.
            unsafe { module.free_memory() }
        }
    }
}
