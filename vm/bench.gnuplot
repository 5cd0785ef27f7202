# SPDX-License-Identifier: GPL-2.0
#
# The chart of `make bench`.  bench-table.py writes the data: x, and y with minimum and maximum.

set terminal svg size 1000,420 font "sans,13" background "white"
set output dir."/bench.svg"
set multiplot layout 1,2
set logscale xy
set format y "%g s"
set grid ytics lc rgb "#dddddd"
set key top left reverse Left samplen 2
set xrange [1:3000]
set xlabel "functions of a module"
set title "enable and disable"
plot dir."/enable.stock" using 1:2:3:4 with yerrorlines lc rgb "#d95f02" pt 6 t "stock, enable", \
     dir."/disable.stock" using 1:2:3:4 with yerrorlines lc rgb "#d95f02" pt 7 t "stock, disable", \
     dir."/enable.ours" using 1:2:3:4 with yerrorlines lc rgb "#1b6ca8" pt 6 t "ours, enable", \
     dir."/disable.ours" using 1:2:3:4 with yerrorlines lc rgb "#1b6ca8" pt 7 t "ours, disable"
set xrange [70:30000]
set xlabel "sleeping threads"
set title "transition of one function"
plot dir."/threads.stock" using 1:2:3:4 with yerrorlines lc rgb "#d95f02" pt 7 t "stock", \
     dir."/threads.ours" using 1:2:3:4 with yerrorlines lc rgb "#1b6ca8" pt 7 t "ours"
unset multiplot
