#!/bin/bash
# sbatch slurm.sh JOBS OUTPUT_DIR [options of if-gen batch]
# Each task of the array draws its part of the jobs. One that is lost, or runs out of time, is put into the queue again and
# goes on where it was. When all are done: if-gen batch --merge --output-dir OUTPUT_DIR
#SBATCH --job-name=if-gen
#SBATCH --array=1-4
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --requeue
#SBATCH --open-mode=append

jobs=$1 out=$2
shift 2
if-gen batch "$jobs" --output-dir "$out" --resume "$@" &
child=$!
trap 'kill -TERM $child' TERM
wait $child
code=$?
if [ $code -gt 128 ] && kill -0 $child 2>/dev/null; then # the signal ended the waiting, not yet the child
  wait $child
  code=$?
fi
# 143: asked to end, 60 s before the time limit; 7: a stage's process was lost
if [ $code = 143 ] || [ $code = 7 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit $code
