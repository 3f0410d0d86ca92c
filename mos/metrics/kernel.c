/* The compiled half of surface.py and overlap.py: outlines of all labels, their distances, counts.

   The distances are those of outline.py to the last bit. Both take the least of
   ((i s)^2 + (j t)^2) + (k u)^2 in doubles, where i, j, k are steps along d, h, w and s, t, u the
   spacing. A lower bound below leaves out terms of that sum, which never makes the rounded value
   larger, so that what is skipped is not the least. Compile without contraction to fused
   multiply-adds: those round otherwise. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { uint16_t d, h, w, label; } Voxel;
typedef struct { Voxel *at; int64_t count, room; } List;
typedef struct { int32_t from, to; } Range; /* empty where from > to */

/* What `mos_outlines` found: the outline voxels of both maps, sorted by label. */
typedef struct {
  int32_t size[3];
  List outline[2];
  int64_t start[2][257];
} Outlines;

/* The outline of one label in one map: a bit per voxel of its bounding box, and what is where. */
typedef struct {
  int32_t low[3], high[3];
  int64_t words; /* per row */
  uint64_t *bits;
  Range *row;   /* by (d, h): w of the first and last voxel */
  Range *slice_h, *slice_w; /* by d */
} Grid;

static int append(List *list, Voxel voxel) {
  if (list->count == list->room) {
    int64_t room = list->room ? 2 * list->room : 4096;
    Voxel *at = realloc(list->at, (size_t)room * sizeof *at);
    if (!at) return 0;
    list->at = at;
    list->room = room;
  }
  list->at[list->count++] = voxel;
  return 1;
}

/* Outline voxels of a row of `width` voxels whose neighbours above and below are in other rows. */
static int scan_row(const uint8_t *row, const uint8_t *const *beside, int count, int ends,
                    int32_t d, int32_t h, int32_t width, const uint8_t *wanted,
                    uint8_t *restrict edge, List *list) {
  int32_t w;
  memset(edge, 0, (size_t)width);
  for (int k = 0; k < count; k++) {
    const uint8_t *other = beside[k];
    if (other) for (w = 0; w < width; w++) edge[w] |= (uint8_t)(row[w] ^ other[w]);
    else memset(edge, 1, (size_t)width);
  }
  if (ends) {
    for (w = 1; w < width; w++) edge[w] |= (uint8_t)(row[w] ^ row[w - 1]);
    for (w = 0; w + 1 < width; w++) edge[w] |= (uint8_t)(row[w] ^ row[w + 1]);
    edge[0] = edge[width - 1] = 1;
  }
  for (w = 0; w < width;) {
    uint64_t eight;
    if (w + 8 <= width && (memcpy(&eight, edge + w, 8), !eight)) { w += 8; continue; }
    int32_t stop = w + 8 < width ? w + 8 : width;
    for (; w < stop; w++)
      if (edge[w] && wanted[row[w]]) {
        Voxel voxel = {(uint16_t)d, (uint16_t)h, (uint16_t)w, row[w]};
        if (!append(list, voxel)) return 0;
      }
  }
  return 1;
}

static int is_blank(const uint8_t *row, int32_t width) {
  uint8_t any = 0;
  for (int32_t w = 0; w < width; w++) any |= row[w];
  return !any;
}

/* Fills `list` with the outline voxels of the wanted labels, in the order of the map. */
static int scan(const uint8_t *map, const int32_t *size, const uint8_t *wanted, List *list) {
  int32_t depth = size[0], height = size[1], width = size[2];
  int along_d = depth > 1 || (height == 1 && width == 1), along_h = height > 1, ends = width > 1;
  int64_t plane = (int64_t)height * width;
  uint8_t *edge = malloc((size_t)width);
  if (!edge) return 0;
  for (int32_t d = 0; d < depth; d++)
    for (int32_t h = 0; h < height; h++) {
      const uint8_t *row = map + d * plane + (int64_t)h * width, *beside[4];
      int count = 0;
      if (is_blank(row, width)) continue;
      if (along_d) {
        beside[count++] = d ? row - plane : NULL;
        beside[count++] = d + 1 < depth ? row + plane : NULL;
      }
      if (along_h) {
        beside[count++] = h ? row - width : NULL;
        beside[count++] = h + 1 < height ? row + width : NULL;
      }
      if (!scan_row(row, beside, count, ends, d, h, width, wanted, edge, list)) {
        free(edge);
        return 0;
      }
    }
  free(edge);
  return 1;
}

/* A counting sort: by label, and in the order of the map within a label. */
static int sort_by_label(List *list, int64_t *start) {
  int64_t next[256];
  memset(start, 0, 257 * sizeof *start);
  for (int64_t i = 0; i < list->count; i++) start[list->at[i].label + 1]++;
  for (int k = 0; k < 256; k++) start[k + 1] += start[k];
  memcpy(next, start, sizeof next);
  Voxel *sorted = malloc((size_t)(list->count ? list->count : 1) * sizeof *sorted);
  if (!sorted) return 0;
  for (int64_t i = 0; i < list->count; i++) sorted[next[list->at[i].label]++] = list->at[i];
  free(list->at);
  list->at = sorted;
  list->room = list->count;
  return 1;
}

void mos_free(Outlines *found) {
  if (!found) return;
  free(found->outline[0].at);
  free(found->outline[1].at);
  free(found);
}

/* Finds the outlines of both maps. counts: (2, 256) voxels. NULL where there is no memory. */
Outlines *mos_outlines(const uint8_t *prediction, const uint8_t *reference, const int32_t *size,
                       const uint8_t *wanted, int64_t *counts) {
  const uint8_t *maps[2] = {prediction, reference};
  Outlines *found = calloc(1, sizeof *found);
  if (!found) return NULL;
  memcpy(found->size, size, sizeof found->size);
  for (int m = 0; m < 2; m++) {
    List *list = &found->outline[m];
    if (!scan(maps[m], size, wanted, list) || !sort_by_label(list, found->start[m])) {
      mos_free(found);
      return NULL;
    }
    for (int k = 0; k < 256; k++) counts[256 * m + k] = found->start[m][k + 1] - found->start[m][k];
  }
  return found;
}

static void close_grid(Grid *grid) {
  free(grid->bits);
  free(grid->row);
  free(grid->slice_h);
  free(grid->slice_w);
}

static void widen(Range *range, int32_t value) {
  if (value < range->from) range->from = value;
  if (value > range->to) range->to = value;
}

static int open_grid(Grid *grid, const Voxel *at, int64_t count) {
  memset(grid, 0, sizeof *grid);
  for (int axis = 0; axis < 3; axis++) grid->low[axis] = INT32_MAX;
  for (int64_t i = 0; i < count; i++) {
    int32_t place[3] = {at[i].d, at[i].h, at[i].w};
    for (int axis = 0; axis < 3; axis++) {
      if (place[axis] < grid->low[axis]) grid->low[axis] = place[axis];
      if (place[axis] > grid->high[axis]) grid->high[axis] = place[axis];
    }
  }
  int64_t depth = grid->high[0] - grid->low[0] + 1, height = grid->high[1] - grid->low[1] + 1;
  const Range empty = {INT32_MAX, -1};
  grid->words = (grid->high[2] - grid->low[2]) / 64 + 1;
  grid->bits = calloc((size_t)(depth * height * grid->words), sizeof *grid->bits);
  grid->row = malloc((size_t)(depth * height) * sizeof *grid->row);
  grid->slice_h = malloc((size_t)depth * sizeof(Range));
  grid->slice_w = malloc((size_t)depth * sizeof(Range));
  if (!grid->bits || !grid->row || !grid->slice_h || !grid->slice_w) {
    close_grid(grid);
    return 0;
  }
  for (int64_t i = 0; i < depth * height; i++) grid->row[i] = empty;
  for (int64_t i = 0; i < depth; i++) grid->slice_h[i] = grid->slice_w[i] = empty;
  for (int64_t i = 0; i < count; i++) {
    int32_t d = at[i].d - grid->low[0], h = at[i].h - grid->low[1], w = at[i].w - grid->low[2];
    int64_t row = d * height + h;
    grid->bits[row * grid->words + (w >> 6)] |= (uint64_t)1 << (w & 63);
    widen(&grid->row[row], at[i].w);
    widen(&grid->slice_h[d], at[i].h);
    widen(&grid->slice_w[d], at[i].w);
  }
  return 1;
}

/* The last voxel at or before w in a row that has one there, and the first at or after it. */
static int32_t before(const Grid *grid, const uint64_t *bits, int32_t w) {
  int32_t bit = w - grid->low[2], word = bit >> 6;
  uint64_t found = bits[word] << (63 - (bit & 63));
  if (found) return w - __builtin_clzll(found);
  while (!bits[--word]) {}
  return grid->low[2] + 64 * word + 63 - __builtin_clzll(bits[word]);
}

static int32_t after(const Grid *grid, const uint64_t *bits, int32_t w) {
  int32_t bit = w - grid->low[2], word = bit >> 6;
  uint64_t found = bits[word] >> (bit & 63);
  if (found) return w + __builtin_ctzll(found);
  while (!bits[++word]) {}
  return grid->low[2] + 64 * word + __builtin_ctzll(bits[word]);
}

/* How many steps a position is from a range: 0 inside. */
static int32_t gap(int32_t at, Range range) {
  return at < range.from ? range.from - at : at > range.to ? at - range.to : 0;
}

/* The least squared distance within a row whose (d, h) part is `sum`, if below `best`. */
static double search_row(const Grid *grid, int64_t row, int32_t w, double sum, const double *square,
                         double best) {
  Range range = grid->row[row];
  if (range.from > range.to) return best;
  int32_t steps = gap(w, range);
  if (!steps) { /* else beyond the ends of the row: the nearer end it is */
    const uint64_t *bits = grid->bits + row * grid->words;
    int32_t right = after(grid, bits, w) - w;
    steps = w - before(grid, bits, w);
    if (right < steps) steps = right;
  }
  sum += square[steps];
  return sum < best ? sum : best;
}

/* The rows of a slice whose d part is `sum`, from the nearest outwards. */
static double search_slice(const Grid *grid, int32_t d, Voxel at, double sum,
                           const double *const *square, double best) {
  Range rows = grid->slice_h[d - grid->low[0]];
  if (rows.from > rows.to) return best;
  double beside = square[2][gap(at.w, grid->slice_w[d - grid->low[0]])];
  int64_t base = (int64_t)(d - grid->low[0]) * (grid->high[1] - grid->low[1] + 1) - grid->low[1];
  /* Rows from `up` on and from `down` back are still to be looked at. */
  int32_t down = at.h < rows.to ? at.h : rows.to, up = down + 1 > rows.from ? down + 1 : rows.from;
  while (down >= rows.from || up <= rows.to) {
    if (down >= rows.from) {
      double part = sum + square[1][at.h - down];
      if (part + beside > best) down = -1;
      else best = search_row(grid, base + down--, at.w, part, square[2], best);
    }
    if (up <= rows.to) {
      double part = sum + square[1][up - at.h];
      if (part + beside > best) up = INT32_MAX;
      else best = search_row(grid, base + up++, at.w, part, square[2], best);
    }
  }
  return best;
}

/* The least squared distance to the outline; `best`: a bound above it. */
static double search(const Grid *grid, Voxel at, const double *const *square, double best) {
  int32_t down = at.d < grid->high[0] ? at.d : grid->high[0];
  int32_t up = down + 1 > grid->low[0] ? down + 1 : grid->low[0];
  while (down >= grid->low[0] || up <= grid->high[0]) {
    if (down >= grid->low[0]) {
      double part = square[0][at.d - down];
      if (part > best) down = -1;
      else best = search_slice(grid, down--, at, part, square, best);
    }
    if (up <= grid->high[0]) {
      double part = square[0][up - at.d];
      if (part > best) up = INT32_MAX;
      else best = search_slice(grid, up++, at, part, square, best);
    }
  }
  return best;
}

/* Whether the outline has this very voxel. */
static int has(const Grid *grid, Voxel at) {
  const int32_t *low = grid->low, *high = grid->high;
  if (at.d < low[0] || at.d > high[0] || at.h < low[1] || at.h > high[1]) return 0;
  if (at.w < low[2] || at.w > high[2]) return 0;
  int64_t row = (int64_t)(at.d - low[0]) * (high[1] - low[1] + 1) + (at.h - low[1]);
  int32_t bit = at.w - low[2];
  return grid->bits[row * grid->words + (bit >> 6)] >> (bit & 63) & 1;
}

static void measure(const Grid *grid, const Voxel *at, int64_t count, const double *spacing,
                    const double *const *square, double *distances) {
  double last = INFINITY;
  for (int64_t i = 0; i < count; i++) {
    if (has(grid, at[i])) last = 0;
    else {
      double bound = INFINITY;
      if (i) { /* it is no farther than the voxel before it was, and the way from there */
        double step = abs(at[i].d - at[i - 1].d) * spacing[0];
        step += abs(at[i].h - at[i - 1].h) * spacing[1];
        step += abs(at[i].w - at[i - 1].w) * spacing[2];
        bound = (last + step) * (last + step) * (1 + 1e-9);
      }
      last = sqrt(search(grid, at[i], square, bound));
    }
    distances[i] = last;
  }
}

/* Distances in mm of all outline voxels, label by label: of the prediction in `from_prediction`, of
   the reference in `from_reference`, in the order of the maps. Infinity where the other map has no
   such label. square: mm^2 of 0, 1, 2 ... steps along each axis. Returns 0 where there is no memory. */
int mos_distances(const Outlines *found, const double *spacing, const double *const *square,
                  double *from_prediction, double *from_reference) {
  double *out[2] = {from_prediction, from_reference};
  for (int label = 1; label < 256; label++)
    for (int m = 0; m < 2; m++) {
      const Voxel *ours = found->outline[m].at + found->start[m][label];
      const Voxel *others = found->outline[1 - m].at + found->start[1 - m][label];
      int64_t count = found->start[m][label + 1] - found->start[m][label];
      int64_t other_count = found->start[1 - m][label + 1] - found->start[1 - m][label];
      double *distances = out[m] + found->start[m][label];
      Grid grid;
      if (!count) continue;
      if (!other_count) {
        for (int64_t i = 0; i < count; i++) distances[i] = INFINITY;
        continue;
      }
      if (!open_grid(&grid, others, other_count)) return 0;
      measure(&grid, ours, count, spacing, square, distances);
      close_grid(&grid);
    }
  return 1;
}

/* Adds up, by label id, voxels that both maps have, that the prediction and that the reference has. */
void mos_counts(const uint8_t *prediction, const uint8_t *reference, int64_t size, int64_t *both,
                int64_t *predicted, int64_t *present) {
  const uint64_t ones = 0x0101010101010101u;
  int64_t i = 0, blank = 0;
  while (i < size) {
    uint64_t a, b;
    if (i + 8 <= size) {
      memcpy(&a, prediction + i, 8);
      memcpy(&b, reference + i, 8);
      if (!(a | b)) { blank += 8; i += 8; continue; }
      if (a == ones * (a & 255) && b == ones * (b & 255)) { /* eight of a kind in each map */
        predicted[a & 255] += 8;
        present[b & 255] += 8;
        if (a == b) both[a & 255] += 8;
        i += 8;
        continue;
      }
    }
    int64_t stop = i + 8 < size ? i + 8 : size;
    for (; i < stop; i++) {
      predicted[prediction[i]]++;
      present[reference[i]]++;
      both[prediction[i]] += prediction[i] == reference[i];
    }
  }
  both[0] += blank;
  predicted[0] += blank;
  present[0] += blank;
}
