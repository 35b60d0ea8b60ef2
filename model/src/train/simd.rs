//! Sixteen lanes of f32 on AVX-512, AVX2, NEON or plain code, chosen at run time.
//!
//! A kernel is a [`Job`]: written once against [`Vector`], compiled once for each instruction set, and
//! entered through [`Real::run`]. All paths round alike (every product-sum is fused, [`Vector::sum`] has
//! one order), so that the same seed gives the same bytes on each of them. The plain path does fused
//! products in software where the target has none: it is for checking, not for speed. f64 runs on the
//! plain path only; it serves finite differences.
//!
//! `unsafe`: the intrinsics need a CPU that has them, which [`Simd::available`] checks once, and the
//! loads and stores take pointers, because bounds checks in the innermost loops cost a third of a step.
//!
//! Long because one vector type for four instruction sets, with every operation of each.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// Lanes of a [`Vector`], and neurons of a tile.
pub const LANES: usize = 16;

/// An instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Simd {
    /// x86-64 with AVX-512F: one register.
    Avx512,
    /// x86-64 with AVX2 and FMA: two registers.
    Avx2,
    /// AArch64: four registers.
    Neon,
    /// Any machine.
    Scalar,
}

impl Simd {
    /// Every instruction set that this machine has, in the order they are chosen by: AVX2 before AVX-512, which
    /// was no faster in any case of `scripts/bench_trainer.sh` (39.9 against 37.8 ms, 13.4 against 13.1, 81.9
    /// against 65.7).
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut out = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                out.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
                out.push(Self::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        out.push(Self::Neon);
        out.push(Self::Scalar);
        out
    }

    /// The first of those that this machine has.
    #[must_use]
    pub fn best() -> Self {
        Self::available()[0]
    }
}

impl std::fmt::Display for Simd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Scalar => "scalar",
        })
    }
}

impl std::str::FromStr for Simd {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = Self::available().iter().map(ToString::to_string).collect();
        let found = Self::available().into_iter().find(|s| s.to_string() == text);
        found.ok_or_else(|| format!("`{text}`: this machine has {}", names.join(", ")))
    }
}

/// A kernel over numbers of type `E`.
pub trait Job<E> {
    /// The work, compiled for one kind of vector. Implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The machine has the instruction set of `V`.
    unsafe fn run<V: Vector<E>>(self);
}

/// f32, or f64 in tests.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + std::fmt::Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + 'static
{
    /// Nearest value.
    fn of(value: f64) -> Self;
    /// The value, exactly.
    fn wide(self) -> f64;
    /// self * a + b, rounded once.
    fn fused(self, a: Self, b: Self) -> Self;
    /// e to it.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Runs a job on an instruction set that is [`Simd::available`].
    fn run(simd: Simd, job: impl Job<Self>);
}

impl Real for f32 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self.into()
    }
    #[inline(always)]
    fn fused(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
    fn exp(self) -> Self {
        self.exp()
    }
    fn ln(self) -> Self {
        self.ln()
    }
    #[inline]
    fn run(simd: Simd, job: impl Job<Self>) {
        // Safety: a `Simd` comes from `available`, which asked the machine.
        unsafe {
            match simd {
                #[cfg(target_arch = "x86_64")]
                Simd::Avx512 => x86::run_avx512(job),
                #[cfg(target_arch = "x86_64")]
                Simd::Avx2 => x86::run_avx2(job),
                #[cfg(target_arch = "aarch64")]
                Simd::Neon => job.run::<neon::Quad>(),
                _ => job.run::<Plain<f32>>(),
            }
        }
    }
}

impl Real for f64 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
    #[inline(always)]
    fn fused(self, a: Self, b: Self) -> Self {
        self * a + b
    }
    fn exp(self) -> Self {
        self.exp()
    }
    fn ln(self) -> Self {
        self.ln()
    }
    fn run(_: Simd, job: impl Job<Self>) {
        // Safety: plain code needs nothing.
        unsafe { job.run::<Plain<f64>>() }
    }
}

/// Sixteen numbers.
///
/// # Safety
/// Every method: the machine has the instruction set; pointers are good for sixteen numbers.
#[allow(clippy::missing_safety_doc)]
pub trait Vector<E>: Copy {
    /// Groups of four vectors that fit the registers as accumulators.
    const GROUPS: usize;
    /// A lane-wise condition.
    type Mask: Copy;
    /// Sixteen times the same.
    unsafe fn splat(value: E) -> Self;
    /// Reads.
    unsafe fn load(from: *const E) -> Self;
    /// Writes.
    unsafe fn store(self, to: *mut E);
    /// Sum.
    unsafe fn add(self, other: Self) -> Self;
    /// Difference.
    unsafe fn sub(self, other: Self) -> Self;
    /// Product.
    unsafe fn mul(self, other: Self) -> Self;
    /// self * a + b, rounded once.
    unsafe fn fused(self, a: Self, b: Self) -> Self;
    /// Larger of each lane.
    unsafe fn max(self, other: Self) -> Self;
    /// Size of each lane.
    unsafe fn abs(self) -> Self;
    /// self >= other.
    unsafe fn ge(self, other: Self) -> Self::Mask;
    /// One bit a lane, lane 0 lowest.
    unsafe fn bits(mask: Self::Mask) -> u16;
    /// `yes` where the mask is set, else `no`.
    unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Sum of all lanes: halves are folded onto each other, 8, 4, 2, 1.
    unsafe fn sum(self) -> E;
}

/// Plain code.
#[derive(Clone, Copy)]
pub struct Plain<E>([E; LANES]);

impl<E: Real> Plain<E> {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(E, E) -> E) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl<E: Real> Vector<E> for Plain<E> {
    const GROUPS: usize = 1;
    type Mask = [bool; LANES];
    #[inline(always)]
    unsafe fn splat(value: E) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    unsafe fn load(from: *const E) -> Self {
        unsafe { Self(from.cast::<[E; LANES]>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut E) {
        unsafe { to.cast::<[E; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn fused(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].fused(a.0[i], b.0[i])))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        Self(self.0.map(|a| if a < E::default() { -a } else { a }))
    }
    #[inline(always)]
    unsafe fn ge(self, other: Self) -> Self::Mask {
        std::array::from_fn(|i| self.0[i] >= other.0[i])
    }
    #[inline(always)]
    unsafe fn bits(mask: Self::Mask) -> u16 {
        mask.iter().enumerate().fold(0, |bits, (i, &m)| bits | u16::from(m) << i)
    }
    #[inline(always)]
    unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if mask[i] { yes.0[i] } else { no.0[i] }))
    }
    #[inline(always)]
    unsafe fn sum(self) -> E {
        let mut v = self.0;
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                let other = v[i + half];
                v[i] += other;
            }
        }
        v[0]
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Job, Vector};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx2,fma")]
    pub(super) unsafe fn run_avx512(job: impl Job<f32>) {
        unsafe { job.run::<One>() }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn run_avx2(job: impl Job<f32>) {
        unsafe { job.run::<Two>() }
    }

    /// Sum of eight lanes: 4, 2, 1.
    #[inline(always)]
    unsafe fn sum8(v: __m256) -> f32 {
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    /// One AVX-512 register.
    #[derive(Clone, Copy)]
    pub struct One(__m512);

    impl Vector<f32> for One {
        const GROUPS: usize = 4;
        type Mask = __mmask16;
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe { Self(_mm512_set1_ps(value)) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { Self(_mm512_loadu_ps(from)) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { Self(_mm512_add_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn fused(self, a: Self, b: Self) -> Self {
            unsafe { Self(_mm512_fmadd_ps(self.0, a.0, b.0)) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            unsafe { Self(_mm512_max_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn abs(self) -> Self {
            unsafe { Self(_mm512_abs_ps(self.0)) }
        }
        #[inline(always)]
        unsafe fn ge(self, other: Self) -> Self::Mask {
            unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(self.0, other.0) }
        }
        #[inline(always)]
        unsafe fn bits(mask: Self::Mask) -> u16 {
            mask
        }
        #[inline(always)]
        unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
            unsafe { Self(_mm512_mask_blend_ps(mask, no.0, yes.0)) }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe {
                let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0)));
                sum8(_mm256_add_ps(_mm512_castps512_ps256(self.0), high))
            }
        }
    }

    /// Two AVX2 registers.
    #[derive(Clone, Copy)]
    pub struct Two(__m256, __m256);

    impl Vector<f32> for Two {
        const GROUPS: usize = 1;
        type Mask = (__m256, __m256);
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe { Self(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn fused(self, a: Self, b: Self) -> Self {
            unsafe { Self(_mm256_fmadd_ps(self.0, a.0, b.0), _mm256_fmadd_ps(self.1, a.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            unsafe { Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn abs(self) -> Self {
            unsafe {
                let sign = _mm256_set1_ps(-0.0);
                Self(_mm256_andnot_ps(sign, self.0), _mm256_andnot_ps(sign, self.1))
            }
        }
        #[inline(always)]
        unsafe fn ge(self, other: Self) -> Self::Mask {
            unsafe {
                (_mm256_cmp_ps::<_CMP_GE_OQ>(self.0, other.0), _mm256_cmp_ps::<_CMP_GE_OQ>(self.1, other.1))
            }
        }
        #[inline(always)]
        unsafe fn bits(mask: Self::Mask) -> u16 {
            unsafe { (_mm256_movemask_ps(mask.0) | _mm256_movemask_ps(mask.1) << 8) as u16 }
        }
        #[inline(always)]
        unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
            unsafe { Self(_mm256_blendv_ps(no.0, yes.0, mask.0), _mm256_blendv_ps(no.1, yes.1, mask.1)) }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe { sum8(_mm256_add_ps(self.0, self.1)) }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::Vector;
    use std::arch::aarch64::*;

    /// Four NEON registers; every AArch64 has them.
    #[derive(Clone, Copy)]
    pub struct Quad([float32x4_t; 4]);

    impl Quad {
        #[inline(always)]
        fn each(f: impl Fn(usize) -> float32x4_t) -> Self {
            Self([f(0), f(1), f(2), f(3)])
        }
    }

    impl Vector<f32> for Quad {
        const GROUPS: usize = 1;
        type Mask = [uint32x4_t; 4];
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self::each(|_| unsafe { vdupq_n_f32(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self::each(|i| unsafe { vld1q_f32(from.add(4 * i)) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            for (i, part) in self.0.into_iter().enumerate() {
                unsafe { vst1q_f32(to.add(4 * i), part) }
            }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            Self::each(|i| unsafe { vaddq_f32(self.0[i], other.0[i]) })
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            Self::each(|i| unsafe { vsubq_f32(self.0[i], other.0[i]) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            Self::each(|i| unsafe { vmulq_f32(self.0[i], other.0[i]) })
        }
        #[inline(always)]
        unsafe fn fused(self, a: Self, b: Self) -> Self {
            Self::each(|i| unsafe { vfmaq_f32(b.0[i], self.0[i], a.0[i]) })
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            Self::each(|i| unsafe { vmaxq_f32(self.0[i], other.0[i]) })
        }
        #[inline(always)]
        unsafe fn abs(self) -> Self {
            Self::each(|i| unsafe { vabsq_f32(self.0[i]) })
        }
        #[inline(always)]
        unsafe fn ge(self, other: Self) -> Self::Mask {
            std::array::from_fn(|i| unsafe { vcgeq_f32(self.0[i], other.0[i]) })
        }
        #[inline(always)]
        unsafe fn bits(mask: Self::Mask) -> u16 {
            const BIT: [u32; 4] = [1, 2, 4, 8];
            unsafe {
                let bit = vld1q_u32(BIT.as_ptr());
                let part = |i: usize| vaddvq_u32(vandq_u32(mask[i], bit)) as u16;
                part(0) | part(1) << 4 | part(2) << 8 | part(3) << 12
            }
        }
        #[inline(always)]
        unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
            Self::each(|i| unsafe { vbslq_f32(mask[i], yes.0[i], no.0[i]) })
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe {
                let (a, b) = (vaddq_f32(self.0[0], self.0[2]), vaddq_f32(self.0[1], self.0[3]));
                let four = vaddq_f32(a, b);
                let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
                vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Every<'a>(&'a [f32], &'a [f32], &'a mut Vec<f32>);

    impl Job<f32> for Every<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector<f32>>(self) {
            let Self(a, b, out) = self;
            for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
                unsafe {
                    let (x, y) = (V::load(a.as_ptr()), V::load(b.as_ptr()));
                    let mask = x.ge(y);
                    let all = [
                        x.add(y),
                        x.sub(y),
                        x.mul(y),
                        x.fused(y, V::splat(0.3)),
                        x.max(y),
                        x.abs(),
                        V::select(mask, x, y),
                    ];
                    for v in all {
                        let at = out.len();
                        out.resize(at + LANES, 0.0);
                        v.store(out[at..].as_mut_ptr());
                        out.push(v.sum());
                    }
                    out.push(f32::from(V::bits(mask)));
                }
            }
        }
    }

    #[test]
    fn every_path_rounds_like_plain_code() {
        let a: Vec<f32> = (0..LANES * 9).map(|i| ((i * 7919) % 257) as f32 / 31.0 - 4.0).collect();
        let b: Vec<f32> = (0..LANES * 9).map(|i| ((i * 104_729) % 263) as f32 / 29.0 - 4.5).collect();
        let result = |simd| {
            let mut out = Vec::new();
            f32::run(simd, Every(&a, &b, &mut out));
            out.iter().map(|v: &f32| v.to_bits()).collect::<Vec<_>>()
        };
        let plain = result(Simd::Scalar);
        for simd in Simd::available() {
            assert_eq!(result(simd), plain, "{simd}");
        }
    }
}
