/* Load a library of kernels and call its functions for a Python on another system, see kernels.py beside this file.
 *
 *     harness LIBRARY
 *
 * A request on the standard input, all numbers of 64 bits: length of the function's name, number of arguments, bytes of
 * memory, number of pointers within it; the name; each argument as its kind and its value; the places of the pointers,
 * which hold offsets; the memory. The answer: the function's result, and the memory as it left it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#include <windows.h>
#define OPEN(path) ((void *)LoadLibraryA(path))
#define FIND(library, name) ((void *)GetProcAddress((HMODULE)library, name))
#else
#include <dlfcn.h>
#define OPEN(path) dlopen(path, RTLD_NOW)
#define FIND(library, name) dlsym(library, name)
#endif

enum { INTEGER, POINTER, REAL };                          /* kinds of arguments */
enum { MOST_INTEGERS = 16, MOST_REALS = 4, ALIGNMENT = 64 };

static void get(void *to, size_t bytes) {
  if (bytes && fread(to, 1, bytes, stdin) != bytes) exit(0); /* the other side has gone */
}

#ifdef _WIN32 /* one row of places for numbers of both kinds; the first four, in registers, are never real here */
static int64_t call(void *function, const int64_t *kinds, const int64_t *values, int64_t n) {
  int64_t a[MOST_INTEGERS] = {0};
  for (int64_t i = 0; i < n; i++) a[i] = values[i];
  (void)kinds;
  return ((int64_t(*)(int64_t, ...))function)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11],
                                              a[12], a[13], a[14], a[15]);
}
#else /* real numbers have registers of their own */
static int64_t call(void *function, const int64_t *kinds, const int64_t *values, int64_t n) {
  int64_t a[MOST_INTEGERS] = {0}, integers = 0, reals = 0;
  double d[MOST_REALS] = {0};
  for (int64_t i = 0; i < n; i++) {
    if (kinds[i] == REAL) memcpy(&d[reals++], &values[i], sizeof(double));
    else a[integers++] = values[i];
  }
  return ((int64_t(*)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                      int64_t, int64_t, int64_t, int64_t, int64_t, double, double, double, double))function)(
    a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15], d[0], d[1], d[2],
    d[3]);
}
#endif

int main(int argc, char **argv) {
  void *library = argc == 2 ? OPEN(argv[1]) : NULL;
  if (!library) return fprintf(stderr, "%s cannot be loaded\n", argc == 2 ? argv[1] : "no library"), 2;
#ifdef _WIN32
  _setmode(_fileno(stdin), _O_BINARY), _setmode(_fileno(stdout), _O_BINARY);
#endif
  for (;;) {
    int64_t head[4], kinds[MOST_INTEGERS], values[MOST_INTEGERS];
    char name[64] = {0};
    get(head, sizeof head);
    if (head[0] >= (int64_t)sizeof name || head[1] > MOST_INTEGERS) return fprintf(stderr, "no such request\n"), 3;
    get(name, (size_t)head[0]);
    char *memory = malloc((size_t)head[2] + ALIGNMENT);
    int64_t *places = malloc((size_t)(head[3] + 1) * sizeof(int64_t));
    if (!memory || !places) return fprintf(stderr, "no memory\n"), 4;
    char *base = memory + ALIGNMENT - (uintptr_t)memory % ALIGNMENT;
    for (int64_t i = 0; i < head[1]; i++) {
      get(&kinds[i], sizeof(int64_t)), get(&values[i], sizeof(int64_t));
      if (kinds[i] == POINTER) values[i] += (int64_t)(uintptr_t)base;
    }
    get(places, (size_t)head[3] * sizeof(int64_t));
    get(base, (size_t)head[2]);
    for (int64_t i = 0; i < head[3]; i++) *(int64_t *)(base + places[i]) += (int64_t)(uintptr_t)base;
    void *function = FIND(library, name);
    if (!function) return fprintf(stderr, "the library has no %s\n", name), 5;
    int64_t result = call(function, kinds, values, head[1]);
    fwrite(&result, sizeof result, 1, stdout);
    fwrite(base, 1, (size_t)head[2], stdout);
    fflush(stdout);
    free(memory), free(places);
  }
}
