#!/usr/bin/env python3
"""Makes reference.csv: the ear model's functions to 15 digits, by mpmath and plain sums.

    pip install mpmath
    python3 model/tests/ear/reference.py > model/tests/ear/reference.csv

Nothing here uses the closed forms of the Rust code: the phase is integrated numerically, Hankel
functions are mpmath's, and the hair cell is stepped with 30 digits.
"""
from mpmath import mp, mpf, mpc, exp, sqrt, pi, hankel1, hankel2, quad, linspace

mp.dps = 30
ALPHA, STIFFNESS, OFFSET, DAMPING, HEIGHT, MASS = 3, mpf(10) ** 9, 3500, mpf("0.15"), mpf("0.1"), mpf("0.05")


def xi(w, x):
    damping = DAMPING * sqrt(STIFFNESS * MASS) * exp(-ALPHA * x / 2)
    return STIFFNESS * exp(-ALPHA * x) - OFFSET - MASS * w * w - mpc(0, 1) * w * damping


def wave_number(w, x):
    return w * sqrt(1 / (HEIGHT * xi(w, x)))


def phase(w, x):
    integral = quad(lambda s: wave_number(w, s), linspace(0, x, 15)) if x else 0
    return 2 * wave_number(w, 0) / ALPHA + integral


def pressure(w, x):
    g = phase(w, x)
    return sqrt(g / wave_number(w, x)) * hankel1(0, g)


def velocity(w, x):
    z = 2 * w / ALPHA * sqrt(2 / (HEIGHT * STIFFNESS))
    impedance = mpc(0, 1) * sqrt(2 * STIFFNESS / HEIGHT) * hankel2(0, z) / hankel2(1, z)
    return 2 * w / xi(w, x) * pressure(w, x) / pressure(w, 0) * impedance


def row(kind, a, b, value):
    print(kind, mp.nstr(mpf(a), 17), mp.nstr(mpf(b), 17), mp.nstr(value.real, 17), mp.nstr(value.imag, 17), sep=",")


def hair_cell():
    """Probability after n steps of a velocity that is 0 for 48 samples, then 200 and -20 by turns of 12."""
    dt = mpf(1) / 24000
    y, g, l, r, x, a, b, h, m = 5.05, 2000, 2500, 6580, 66.3, 5, 300, 50000, 1
    k = mpf(g) * a / (a + b)
    c = m * y * k / (l * k + y * (l + r))
    q, w = c * (l + r) / k, c * r / x
    for n in range(480):
        s = 0 if n < 48 else (200 if n // 12 % 2 == 0 else -20)
        k = mpf(g) * (s + a) / (s + a + b) if s + a > 0 else mpf(0)
        dq = y * max(m - q, 0) + x * w - k * q
        dc = k * q - (l + r) * c
        dw = r * c - x * w
        q, c, w = q + dt * dq, c + dt * dc, w + dt * dw
        if n % 16 == 15:
            row("hair_cell", n, 0, mpc(h * dt * c))


print("kind,a,b,re,im")
for re in ["0.0004", "0.3", "1.5", "2.7", "3.9", "4.1", "7", "15", "40"]:
    for im in ["0", "0.01", "0.9", "2.9", "4.2", "11", "60"]:
        z = mpc(re, im)
        row("hankel0", re, im, hankel1(0, z))
        row("hankel1", re, im, hankel1(1, z))
for hertz in ["1", "20", "130", "440", "1000", "2500", "7000", "16000", "23999"]:
    for x in ["0", "0.2", "0.7", "1.4", "2.1", "2.8", "3.5"]:
        w = 2 * pi * mpf(hertz)
        value = velocity(w, mpf(x))
        if abs(value) > mpf(10) ** -30:
            row("phase", hertz, x, phase(w, mpf(x)))
            row("velocity", hertz, x, value)
hair_cell()
