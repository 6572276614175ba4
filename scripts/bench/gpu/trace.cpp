// An injection library: the GPU's kernels and copies of a process as lines of CSV: start ns, ns, stream, name, grid.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
#include <cupti.h>
static FILE *out;
static void requested(uint8_t **buffer, size_t *size, size_t *records) {
  *size = 8 << 20; *records = 0; *buffer = (uint8_t *)aligned_alloc(8, *size);
}
static void completed(CUcontext, uint32_t, uint8_t *buffer, size_t, size_t valid) {
  CUpti_Activity *record = nullptr;
  while (cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) {
    if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL || record->kind == CUPTI_ACTIVITY_KIND_KERNEL) {
      auto *k = (CUpti_ActivityKernel9 *)record;
      fprintf(out, "%llu\t%llu\t%u\t%s\t%d %d %d x %d\n", (unsigned long long)k->start, (unsigned long long)(k->end - k->start), k->streamId, k->name, k->gridX, k->gridY, k->gridZ, k->blockX);
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
      auto *m = (CUpti_ActivityMemcpy5 *)record;
      fprintf(out, "%llu\t%llu\t%u\tMEMCPY %d\t%llu\n", (unsigned long long)m->start, (unsigned long long)(m->end - m->start), m->streamId, m->copyKind, (unsigned long long)m->bytes);
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
      auto *m = (CUpti_ActivityMemset4 *)record;
      fprintf(out, "%llu\t%llu\t%u\tMEMSET\t%llu\n", (unsigned long long)m->start, (unsigned long long)(m->end - m->start), m->streamId, (unsigned long long)m->bytes);
    }
  }
  fflush(out); free(buffer);
}
static void flush() { cuptiActivityFlushAll(1); }
extern "C" int InitializeInjection() {
  char name[512]; snprintf(name, sizeof name, "%s.%d.tsv", getenv("TRACE_OUT") ? getenv("TRACE_OUT") : "/tmp/trace", getpid());
  out = fopen(name, "w");
  cuptiActivityRegisterCallbacks(requested, completed);
  cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
  cuptiActivityEnable(CUPTI_ACTIVITY_KIND_MEMCPY);
  cuptiActivityEnable(CUPTI_ACTIVITY_KIND_MEMSET);
  cuptiActivityFlushPeriod(300);
  atexit(flush);
  return 1;
}
