// How high each row of a long list is, so that one finds what stands at a place without looking at all of them.

/** Rows of one block. A list of 100,000 has 200 blocks to be walked through. */
const BLOCK = 512;

export class Heights {
  constructor() {
    /** @type {{all: number[], sum: number}[]} */
    this.blocks = [];
    this.length = 0;
    /** Of all rows together. */
    this.total = 0;
  }

  /** Adds a row at the end. */
  push(height) {
    let last = this.blocks.at(-1);
    if (!last || last.all.length >= BLOCK) {
      last = { all: [], sum: 0 };
      this.blocks.push(last);
    }
    last.all.push(height);
    last.sum += height;
    this.length += 1;
    this.total += height;
  }

  /** Adds rows at the beginning, in their order. @param {number[]} heights */
  unshift(heights) {
    const blocks = [];
    for (let at = 0; at < heights.length; at += BLOCK) {
      const all = heights.slice(at, at + BLOCK);
      blocks.push({ all, sum: sumOf(all) });
    }
    this.blocks.unshift(...blocks);
    this.length += heights.length;
    this.total += sumOf(heights);
  }

  /** Takes rows away from the beginning; gives how high they were together. */
  drop(count) {
    let left = Math.min(count, this.length);
    let gone = 0;
    this.length -= left;
    while (left > 0) {
      const [first] = this.blocks;
      if (first.all.length <= left) {
        left -= first.all.length;
        gone += first.sum;
        this.blocks.shift();
      } else {
        const cut = sumOf(first.all.splice(0, left));
        first.sum -= cut;
        gone += cut;
        left = 0;
      }
    }
    this.total -= gone;
    return gone;
  }

  /** Takes rows away from the end. */
  pop(count) {
    for (let left = Math.min(count, this.length); left > 0; left -= 1) {
      const last = this.blocks.at(-1);
      const height = last.all.pop();
      last.sum -= height;
      this.total -= height;
      this.length -= 1;
      if (!last.all.length) this.blocks.pop();
    }
  }

  /** Says how high a row is. */
  set(index, height) {
    const [block, at] = this.place(index);
    const more = height - block.all[at];
    block.all[at] = height;
    block.sum += more;
    this.total += more;
  }

  get(index) {
    const [block, at] = this.place(index);
    return block.all[at];
  }

  /** Where a row begins. */
  before(index) {
    let left = index;
    let top = 0;
    for (const block of this.blocks) {
      if (left < block.all.length) {
        for (let at = 0; at < left; at += 1) top += block.all[at];
        return top;
      }
      left -= block.all.length;
      top += block.sum;
    }
    return top;
  }

  /** The row at a place; the last one behind all of them, -1 if there is none. */
  find(y) {
    let top = 0;
    let index = 0;
    for (const block of this.blocks) {
      if (top + block.sum > y) {
        let at = 0;
        while (at < block.all.length - 1 && top + block.all[at] <= y) {
          top += block.all[at];
          at += 1;
        }
        return index + at;
      }
      top += block.sum;
      index += block.all.length;
    }
    return this.length - 1;
  }

  place(index) {
    let left = index;
    for (const block of this.blocks) {
      if (left < block.all.length) return [block, left];
      left -= block.all.length;
    }
    throw new RangeError(`there is no row ${index}`);
  }
}

const sumOf = (all) => all.reduce((sum, one) => sum + one, 0);
