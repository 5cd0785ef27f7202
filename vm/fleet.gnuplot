# SPDX-License-Identifier: GPL-2.0
#
# The chart of the simulation of a rollout. tools/livepatch/rollout-simulate.py writes the data: the
# size of the batches, and hours or hosts.

set terminal svg size 1000,420 font "sans,13" background "white"
set output dir."/fleet.svg"
set multiplot layout 1,2
set logscale xy
set grid ytics lc rgb "#dddddd"
set key top right Left reverse samplen 2
set xrange [8:40000]
set format x "%.0f"
set xlabel "hosts of a batch"
set format y "%g h"
set title "until 99 % of 100,000 hosts are protected"
plot dir."/protection.0.001" with linespoints lc rgb "#1b6ca8" pt 7 t "0.1 % of the hosts fail", \
     dir."/protection.0.01" with linespoints lc rgb "#7570b3" pt 7 t "1 % fail", \
     dir."/protection.0.03" with linespoints lc rgb "#d95f02" pt 7 t "3 % fail", \
     dir."/protection-grows.0.03" with linespoints lc rgb "#d95f02" pt 6 dt 2 t "3 % fail, batches grow"
set format y "%.0f"
set key top left
set title "hosts that a bad version reaches, in 99 % of the rollouts"
plot dir."/reach.0.1" with linespoints lc rgb "#1b6ca8" pt 7 t "10 % of the hosts fail", \
     dir."/reach.0.3" with linespoints lc rgb "#d95f02" pt 7 t "30 % fail", \
     dir."/reach-grows.0.1" with linespoints lc rgb "#1b6ca8" pt 6 dt 2 t "10 % fail, batches grow"
unset multiplot
