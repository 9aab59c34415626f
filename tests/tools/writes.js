// writes.js HOW RECORD NEW - the ways in which programs on node write a file. With $cut set it dies in the middle.
'use strict';
const fs = require('fs');
const path = require('path');
const { pipeline } = require('stream/promises');

const [how, record, fresh] = process.argv.slice(2);
const text = fs.readFileSync(fresh, 'utf8');
const die = () => process.env.cut && process.kill(process.pid, 'SIGKILL');

const ways = {
	async writeFile() {
		await fs.promises.writeFile(record, text);
	},
	writeFileSync() {
		fs.writeFileSync(record, text);
	},
	appendFile() {
		fs.appendFileSync(record, text);
	},
	async stream() {
		await pipeline(fs.createReadStream(fresh, { highWaterMark: 16 }), fs.createWriteStream(record));
	},
	async pieces() {
		await pipeline(fs.createReadStream(fresh), fs.createWriteStream(record));
	},
	async copyFile() {
		await fs.promises.copyFile(fresh, record);
	},
	// A temporary name beside it, owner and mode of the old file, fsync, rename: write-file-atomic and its like.
	async writeFileAtomic() {
		const temporary = record + '.' + process.pid;
		const { mode, uid, gid } = await fs.promises.stat(record);
		const file = await fs.promises.open(temporary, 'w', mode);
		try {
			await file.write(text);
			die();
			await file.sync();
			await file.close();
			await fs.promises.chown(temporary, uid, gid);
			await fs.promises.chmod(temporary, mode);
			await fs.promises.rename(temporary, record);
		} catch (error) {
			await fs.promises.unlink(temporary).catch(() => {});
			throw error;
		}
	},
	// Graphical editors on node: emptied by the open, written, synced where that works, closed; tried three times.
	async editor() {
		const once = async () => {
			const file = await fs.promises.open(record, 'r+').then((f) => f.truncate(0).then(() => f));
			try {
				await file.write(text, 0);
				die();
				await file.datasync().catch(() => {});
			} finally {
				await file.close();
			}
		};
		for (let left = 3; ; left--) {
			try {
				return await once();
			} catch (error) {
				if (left === 1) throw error;
			}
		}
	},
	// A sibling is written in full first, the old file goes to .bak, the sibling takes its place.
	backup() {
		fs.copyFileSync(record, record + '.bak');
		const temporary = path.join(path.dirname(record), '.' + path.basename(record) + '.tmp');
		fs.writeFileSync(temporary, text);
		die();
		fs.renameSync(temporary, record);
		fs.unlinkSync(record + '.bak');
	},
};

Promise.resolve()
	.then(ways[how])
	.catch((error) => {
		console.error(String(error));
		process.exit(1);
	});
